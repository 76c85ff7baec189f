// What all handles of one database share: the door, the calls that came before it was there, who waits, the timer.
//
// *Design.* A call runs at once and its reply is decoded before anything else happens; then whoever was woken by it
// gets a reply, in the engine's order, and the timer is set. Until the engine is ready calls are kept, and then all
// of them are run in one go, so that nobody gets ahead. This is the one place through which replies leave: what a
// reply has to wait for, it waits for here.
//
// *Why not let each call await one promise.* A call that comes just when the promise is settled would be run before
// those that have waited for it.
//
// *Invariants*
// 1. Each waiter of the engine has an entry in `waits_`, and nobody else.
// 2. Once `ended_` is set, nothing new is run; once the door is gone, nobody waits.

import type { Value } from '../types/index.js'
import type { Door } from './door.js'
import { ClosedError } from './errors.js'
import { isBytes, refuse } from './options.js'
import type { Reader } from './reply.js'
import type { Words } from './request.js'
import { nothing, quietly, unawaited } from './shapes.js'
import { listen, unlisten } from './signals.js'
import { Timer } from './timer.js'

/** What is made of a reply. */
export type Decode<T> = (reader: Reader) => T

/** Somebody who waits for a reply. */
interface Wait {
  done_(reader: Reader): void
  fail_(reason: unknown): void
}

/** Something that goes on until it is stopped. */
interface Stoppable {
  stop_(reason: unknown): void
}

/** The engine of a database. */
export class Engine {
  door_: Door | undefined
  /** Settled when the door is open, or cannot be opened. */
  opened_: Promise<void>
  /** Calls that came before the door was open. */
  early_: (() => void)[] = []
  closing_: Promise<void> | undefined
  /** Why there are no more calls. */
  ended_: Error | undefined
  waits_ = new Map<number, Wait>()
  live_ = new Set<Stoppable>()
  clock_: () => number
  /** The time of the call that runs or ran last. */
  now_ = 0
  timer_: Timer

  constructor(door: Promise<Door>, clock: (() => number) | undefined) {
    this.clock_ = clock === undefined ? Date.now : checkedClock(clock)
    this.timer_ = new Timer(this.clock_, clock !== undefined, () => this.enter_(() => this.tick_()))
    this.opened_ = door.then(
      (door) => {
        door.onFailure_ = (failure) => this.end_(failure)
        this.door_ = door
        this.begin_()
      },
      (error) => {
        this.end_(error)
        this.begin_()
        throw error
      },
    )
    // Whoever calls is told; that nobody called is no error.
    unawaited(this.opened_)
  }

  /** Runs a command and makes something of its reply. */
  run_<T>(words: Words, decode: Decode<T>, nowMs?: number): T | Promise<T> {
    const door = this.door_
    if (door === undefined) return this.later_([words], ([words]) => this.run_(words!, decode))
    door.call_(words, nowMs ?? this.tick_())
    return this.reply_(decode)
  }

  /** Runs commands as one unit, and makes something of the array of their replies. */
  exec_<T>(batch: readonly Words[], decode: Decode<T>): T | Promise<T> {
    return this.later_(batch, (batch) => {
      this.door_!.exec_(batch, this.tick_())
      return this.reply_(decode)
    })
  }

  /** Runs a command that may wait, when the engine is ready. If it waits, `hold` is given the means to end that. */
  wait_<T>(words: Words, decode: Decode<T>, hold: (cancel: (reason: unknown) => void) => void): T | Promise<T> {
    const door = this.door_!
    if (door.call_(words, this.tick_())) return this.reply_(decode)
    const waiter = door.waiter_()
    const promise = new Promise<T>((resolve, reject) => {
      const done = (reader: Reader) => {
        try {
          reader.check_()
          resolve(decode(reader))
        } catch (error) {
          reject(error)
        }
      }
      this.waits_.set(waiter, { done_: done, fail_: reject })
    })
    hold((reason) => {
      const wait = this.waits_.get(waiter)
      if (wait === undefined) return
      this.waits_.delete(waiter)
      wait.fail_(reason)
      quietly(() => {
        door.enter_('cancel', waiter)
        this.settle_()
      })
    })
    this.settle_()
    return promise
  }

  /** The same in its turn, with a signal that ends the wait. */
  waitFor_<T>(words: Words, decode: Decode<T>, signal: AbortSignal | undefined): T | Promise<T> {
    return this.later_([words], async ([words]) => {
      signal?.throwIfAborted()
      let abort = nothing
      try {
        return await this.wait_(words!, decode, (cancel) => {
          abort = () => cancel(signal!.reason)
          listen(signal, abort)
        })
      } finally {
        unlisten(signal, abort)
      }
    })
  }

  /** Ends everything that waits or goes on. */
  end_(reason: Error): void {
    this.ended_ ??= reason
    const waits = [...this.waits_.values()]
    this.waits_.clear()
    for (const wait of waits) wait.fail_(reason)
    // While the door is open: what was not handed over is given back.
    for (const live of [...this.live_]) live.stop_(reason)
    this.door_ = undefined
    this.timer_.set_(Infinity, false)
  }

  /** Runs what was called before, and then nothing any more. */
  close_(): Promise<void> {
    return (this.closing_ ??= this.closeOnce_())
  }

  async closeOnce_(): Promise<void> {
    const closed = new ClosedError()
    try {
      const ending = this.enter_(() => {
        const door = this.door_!
        this.end_(closed)
        door.drop_()
      })
      this.ended_ ??= closed
      await ending
    } catch {
      // It failed, or could not be opened: there is nothing to close.
    }
  }

  /** Runs something once the engine is ready, in its turn. */
  enter_<T>(run: () => T | Promise<T>): T | Promise<T> {
    if (this.door_ !== undefined) return run()
    if (this.ended_ !== undefined) throw this.ended_
    return new Promise((resolve, reject) => {
      this.early_.push(() => {
        try {
          if (this.door_ === undefined) throw this.ended_
          resolve(run())
        } catch (error) {
          reject(error)
        }
      })
    })
  }

  /** Runs something with commands, in its turn. While they are kept, their bytes are copies. */
  later_<T>(batch: readonly Words[], run: (batch: readonly Words[]) => T | Promise<T>): T | Promise<T> {
    const kept = this.door_ !== undefined ? batch : batch.map((words) => words.map((word) => keptWord(word)))
    return this.enter_(() => run(kept))
  }

  /** Runs what was called before the door was open. */
  begin_(): void {
    for (const run of this.early_.splice(0)) run()
  }

  /** Makes something of the reply that is there. */
  reply_<T>(decode: Decode<T>): T {
    const reader = this.door_!.reply_()
    try {
      reader.check_()
      return decode(reader)
    } finally {
      this.settle_()
    }
  }

  /** After each call: replies for who was woken, and the timer for what comes next. */
  settle_(): void {
    const { door_, waits_, timer_ } = this
    if (door_ === undefined) return
    while (waits_.size > 0 && door_.enter_('take')) {
      const waiter = door_.waiter_()
      const wait = waits_.get(waiter)
      waits_.delete(waiter)
      wait?.done_(door_.reply_())
    }
    const deadline = door_.deadline_()
    if (deadline < NO_DEADLINE || timer_.at_ !== Infinity) timer_.set_(deadline, waits_.size > 0)
  }

  /** The time of a call. What is due by then happens first. */
  tick_(): number {
    const now = (this.now_ = this.clock_())
    if (now >= this.timer_.at_) {
      this.door_!.enter_('advance', now)
      this.settle_()
    }
    return now
  }
}

/** What the door says when nothing is due, as the nearest number. */
const NO_DEADLINE = 2 ** 64

/** A word that nobody else can change. */
function keptWord(word: Value): Value {
  return isBytes(word) ? word.slice() : word
}

function checkedClock(clock: () => number): () => number {
  return () => {
    const now = clock()
    if (!(Number.isFinite(now) && now >= 0)) refuse('the time of clock', 'milliseconds since 1970', now)
    return now
  }
}
