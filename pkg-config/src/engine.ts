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
import { ClosedError, EngineError } from './errors.js'
import { isBytes, refuse } from './options.js'
import type { Reader } from './reply.js'
import type { Words } from './request.js'
import { nothing, quietly, unawaited } from './shapes.js'
import { listen, unlisten } from './signals.js'
import { APPLIED, type Stored, USUAL } from './stored.js'
import { Timer } from './timer.js'

/** What is made of a reply. */
export type Decode<T> = (reader: Reader) => T

/** Somebody who waits for a reply. */
interface Wait {
  words_: Words
  /** How the engine calls him. */
  waiter_: number
  done_(): void
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
  /** How it is stored, if it is. */
  stored_: Stored | undefined
  events_ = new EventTarget()
  open_: (engine: Engine) => Promise<Door>
  /** When the engine failed and was made anew. */
  restarts_: number[] = []
  clock_: () => number
  /** The time of the call that runs or ran last. */
  now_ = 0
  timer_: Timer

  constructor(open: (engine: Engine) => Promise<Door>, clock: (() => number) | undefined) {
    this.clock_ = clock === undefined ? Date.now : checkedClock(clock)
    this.timer_ = new Timer(this.clock_, clock !== undefined, () => {
      if (this.door_ !== undefined) this.tick_()
      else this.stored_?.drive_()
    })
    this.open_ = open
    this.opened_ = this.start_()
    // Whoever calls is told; that nobody called is no error.
    unawaited(this.opened_)
  }

  /** Opens the door, and runs what was called before that. */
  async start_(): Promise<void> {
    try {
      const door = await this.open_(this)
      door.onFailure_ ??= (failure) => this.end_(failure)
      this.door_ = door
    } catch (error) {
      this.end_(error as Error)
      throw error
    } finally {
      this.begin_()
    }
  }

  /** The engine of a stored database has failed: it is made anew from what is stored, unless that happens all the time. */
  restart_(failure: Error): void {
    const now = Date.now()
    this.restarts_ = [...this.restarts_.filter((then) => now - then < RESTARTS_MS), now]
    if (this.restarts_.length > RESTARTS_MAX) return this.end_(new EngineError(failure.cause))
    this.door_ = undefined
    this.timer_.set_(Infinity, false)
    this.opened_ = unawaited(this.start_())
  }

  /** Runs a command and makes something of its reply. */
  run_<T>(words: Words, decode: Decode<T>, level: number = USUAL): T | Promise<T> {
    const door = this.door_
    if (door === undefined) return this.later_([words], ([words]) => this.run_(words!, decode, level))
    door.call_(words, this.tick_())
    return this.reply_(decode, level)
  }

  /** The same for a command that adds: it waits while too much waits to be stored. */
  add_<T>(words: Words, decode: Decode<T>, level: number): T | Promise<T> {
    if (!this.isFull_() || level === APPLIED) return this.run_(words, decode, level)
    const kept = words.map((word) => keptWord(word))
    return this.room_(() => this.run_(kept, decode, level))
  }

  /** Runs a command in an engine that is ready. What its reply tells of need not be stored yet. */
  runNow_<T>(words: Words, decode: Decode<T>, nowMs: number): T {
    this.door_!.call_(words, nowMs)
    return this.reply_(decode, APPLIED) as T
  }

  /** Runs commands as one unit, and makes something of the array of their replies. */
  exec_<T>(batch: readonly Words[], decode: Decode<T>, level: number = USUAL): T | Promise<T> {
    return this.later_(batch, (batch) => {
      this.door_!.exec_(batch, this.tick_())
      return this.reply_(decode, level)
    })
  }

  /** Whether too much waits to be stored, or somebody else waits for that already. */
  isFull_(): boolean {
    const { stored_ } = this
    return stored_ !== undefined && this.door_ !== undefined && (stored_.adding_.length > 0 || stored_.isBusy_())
  }

  /** Runs something when less waits to be stored, in its turn. */
  room_<T>(run: () => T | Promise<T>): Promise<T> {
    return this.queued_(this.stored_!.adding_, run)
  }

  /** Runs a command that may wait, when the engine is ready. If it waits, `hold` is given the means to end that. */
  wait_<T>(
    words: Words,
    decode: Decode<T>,
    hold: (cancel: (reason: unknown) => void) => void,
    level: number = USUAL,
  ): T | Promise<T> {
    const door = this.door_!
    if (door.call_(words, this.tick_())) return this.reply_(decode, level)
    let wait!: Wait
    const promise = new Promise<T>((resolve, reject) => {
      const done = () => {
        try {
          resolve(this.result_(decode, level))
        } catch (error) {
          reject(error)
        }
      }
      wait = { words_: words.map((word) => keptWord(word)), waiter_: door.waiter_(), done_: done, fail_: reject }
    })
    this.waits_.set(wait.waiter_, wait)
    hold((reason) => {
      if (this.waits_.get(wait.waiter_) !== wait) return
      this.waits_.delete(wait.waiter_)
      wait.fail_(reason)
      quietly(() => {
        this.door_?.enter_('cancel', wait.waiter_)
        this.settle_()
      })
    })
    this.settle_()
    return promise
  }

  /** The same in its turn, with a signal that ends the wait. */
  waitFor_<T>(
    words: Words,
    decode: Decode<T>,
    signal: AbortSignal | undefined,
    level: number = USUAL,
  ): T | Promise<T> {
    return this.later_([words], async ([words]) => {
      signal?.throwIfAborted()
      let abort = nothing
      try {
        const hold = (cancel: (reason: unknown) => void) => {
          abort = () => cancel(signal!.reason)
          listen(signal, abort)
        }
        return await this.wait_(words!, decode, hold, level)
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
      const isOpening = this.door_ === undefined && this.ended_ === undefined
      // Nobody has to wait for a database that nobody has called.
      if (isOpening && this.early_.length === 0) await this.stored_?.close_()
      const ending = this.enter_(() => {
        const door = this.door_!
        this.end_(closed)
        return this.stored_ === undefined ? door.drop_() : this.stored_.close_()
      })
      this.ended_ ??= closed
      await ending
    } catch (error) {
      // It failed, or could not be opened: there is nothing to close.
      if (error !== this.ended_) throw error
    }
  }

  /** Runs something once the engine is ready, in its turn. */
  enter_<T>(run: () => T | Promise<T>): T | Promise<T> {
    if (this.door_ !== undefined) return run()
    if (this.ended_ !== undefined) throw this.ended_
    return this.queued_(this.early_, run)
  }

  /** Runs something when its turn comes in a queue. */
  queued_<T>(queue: (() => void)[], run: () => T | Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      queue.push(() => {
        try {
          // If the engine has failed meanwhile, it goes on with the next one.
          resolve(this.enter_(run))
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

  /** Runs what waited in an engine that failed, and then what was called before the door was open. */
  begin_(): void {
    const waits = [...this.waits_.values()]
    this.waits_.clear()
    for (const wait of waits) quietly(() => this.waitAgain_(wait))
    for (const run of this.early_.splice(0)) run()
  }

  waitAgain_(wait: Wait): void {
    const door = this.door_!
    if (door.call_(wait.words_, this.tick_())) return wait.done_()
    wait.waiter_ = door.waiter_()
    this.waits_.set(wait.waiter_, wait)
    this.settle_()
  }

  /** Makes something of the reply that is there. */
  reply_<T>(decode: Decode<T>, level: number = USUAL): T | Promise<T> {
    try {
      return this.result_(decode, level)
    } finally {
      this.settle_()
    }
  }

  /** The same, and nothing else happens. */
  result_<T>(decode: Decode<T>, level: number): T | Promise<T> {
    const { stored_ } = this
    if (stored_ !== undefined && level !== APPLIED) return stored_.reply_(decode, level)
    const reader = this.door_!.reply_()
    reader.check_()
    return decode(reader)
  }

  /** After each call: replies for who was woken, and the timer for what comes next. */
  settle_(): void {
    const { door_, waits_, timer_ } = this
    if (door_ === undefined) return
    while (waits_.size > 0 && door_.enter_('take')) {
      const waiter = door_.waiter_()
      const wait = waits_.get(waiter)
      waits_.delete(waiter)
      wait?.done_()
    }
    const deadline = door_.deadline_()
    if (deadline < NO_DEADLINE || timer_.at_ !== Infinity) timer_.set_(deadline, waits_.size + (this.stored_?.held_.size ?? 0) > 0)
    this.stored_?.look_()
  }

  /** Tells whoever listens. */
  tell_(type: string, error?: Error): void {
    this.events_.dispatchEvent(Object.assign(new Event(type), { error }))
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

/** An engine that failed is made anew so often within so many milliseconds. */
const RESTARTS_MAX = 3
const RESTARTS_MS = 60_000

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
