// What a database has that is stored: replies that wait until what they tell of is written, and the ways it can end.
//
// *Design.* The engine's side decides what is stored when, and up to where it is; wasm/src/door.rs passes it on. Here are
// the promises: a reply that is held has a number, and resolves when the door names it. Which state the database is in is
// read after each call. Who adds while too much waits to be written is held back before the command runs.
//
// *Why not await the storage in each call.* A command takes effect at once, in order; only its reply waits.
//
// *Invariants*
// 1. Each number that is held at the door has an entry in `held_`, and nobody else.
// 2. After an end nobody waits.

import type { Durability, DurabilityInfo } from '../types/index.js'
import type { IndexedDbStorage } from '../types/indexeddb.js'
import type { Storage } from '../types/storage.js'
import type { Door } from './door.js'
import type { Decode, Engine } from './engine.js'
import { ClosedError, EngineError, EngineRestartedError, STORAGE_ERRORS, StorageError } from './errors.js'
import { StorageLink } from './link.js'
import { nothing, quietly, readPlain, unawaited } from './shapes.js'

/** Levels, as the door counts them. */
export const APPLIED = -1
export const USUAL = 0
export const WRITTEN = 1
export const DURABLE = 2

/** The levels that callers name. */
export function levelOf(durability: Durability | undefined): number {
  return { applied: APPLIED, written: WRITTEN, durable: DURABLE }[durability!] ?? USUAL
}

// What the door says of the state; wasm/src/answer.rs has the layout.
const OPENING = 0
const ENDED = 2
const PROGRESS = 3
const IS_BUSY = 4
const IS_FAILING = 8

/** What happens to a page that may be the last it gets to see. */
const GOING = ['pagehide', 'visibilitychange']

/** Somebody who waits for a reply that is there. */
interface Held {
  done_(): void
  fail_(reason: unknown): void
}

type Flag = 'isLossy' | 'wasClean' | 'isHealing'

/** How a database ended, as the door tells it. */
interface Told extends Omit<DurabilityInfo, 'storage' | Flag> {
  isLossy: number
  wasClean: number
  isHealing: number
  /** How the storage fails, if it does. */
  fault: string
  end: [name: keyof typeof STORAGE_ERRORS | '', message: string]
}

/** The storage of a database, and who waits for it. */
export class Stored {
  engine_: Engine
  door_: Door
  storage_: Storage | IndexedDbStorage
  link_: StorageLink
  lastToken_ = 0
  held_ = new Map<number, Held>()
  /** Who adds and was held back. */
  adding_: (() => void)[] = []
  isAdding_ = false
  isFailing_ = false
  isClosing_ = false
  /** Why it has ended. */
  end_: Error | undefined
  /** Settled when the database is there, or cannot be opened. */
  opened_: Promise<Door>
  /** Settled when it has ended. */
  ended_: Promise<void>
  onOpen_!: (door: Door) => void
  onRefusal_!: (reason: unknown) => void
  onEnd_!: () => void
  onGoing_ = () => quietly(() => this.door_.enter_('flush', this.engine_.clock_()))

  constructor(engine: Engine, door: Door, storage: Storage | IndexedDbStorage, options: number, lockWaitMs: number) {
    this.engine_ = engine
    this.door_ = door
    this.storage_ = storage
    this.link_ = new StorageLink(storage as Storage, door, () => this.drive_())
    const opened = new Promise<Door>((resolve, reject) => {
      this.onOpen_ = resolve
      this.onRefusal_ = reject
    })
    // If the engine fails at once, nobody has seen it yet.
    this.opened_ = unawaited(opened)
    this.ended_ = new Promise((resolve) => {
      this.onEnd_ = resolve
    })
    door.Failure_ = EngineRestartedError
    door.onFailure_ = (failure) => this.fail_(failure)
    if ('indexedDb' in storage) {
      door.openIndexedDb_(this.link_, storage.indexedDb, options, lockWaitMs)
    } else {
      door.open_(this.link_, ...this.link_.traits_(), options, lockWaitMs)
    }
    // It helps where it can, and nothing depends on it.
    for (const event of GOING) globalThis.addEventListener?.(event, this.onGoing_)
    this.drive_()
  }

  /** Takes what the storage has answered, and asks for what is to be asked. */
  drive_(): void {
    this.door_.enter_('drive', this.engine_.clock_())
    if (this.engine_.door_ === this.door_) this.engine_.settle_()
    else this.look_()
  }

  /** Looks at what has become of it, after each call. */
  look_(): void {
    const { door_ } = this
    if (this.end_ !== undefined) return
    for (let token; this.held_.size > 0 && (token = door_.enter_('released')) > 0; ) {
      const held = this.held_.get(token)
      this.held_.delete(token)
      held?.done_()
    }
    const state = door_.state_()
    const progress = state & PROGRESS
    const isAlone = this.engine_.door_ === undefined
    if (isAlone) this.engine_.timer_.set_(door_.deadline_(), true)
    if (progress === ENDED) {
      this.finish_(this.reason_())
    } else if (progress !== OPENING) {
      this.onOpen_(door_)
      this.watch_((state & IS_FAILING) !== 0)
      this.addAgain_()
    }
  }

  /** Runs those who were held back, in order, as long as there is room. Each of them comes back here. */
  addAgain_(): void {
    if (this.isAdding_) return
    this.isAdding_ = true
    while (this.end_ === undefined && this.adding_.length > 0 && !this.isBusy_()) this.adding_.shift()!()
    this.isAdding_ = false
  }

  isBusy_(): boolean {
    return (this.door_.state_() & IS_BUSY) !== 0
  }

  /** Makes something of the reply that is there, and holds it until what it tells of is stored. */
  reply_<T>(decode: Decode<T>, level: number): T | Promise<T> {
    const position = this.door_.position_()
    let outcome: () => T
    try {
      const value = this.engine_.result_(decode, APPLIED) as T
      outcome = () => value
    } catch (error) {
      outcome = () => {
        throw error
      }
    }
    return this.hold_(position, level, outcome)
  }

  /** Holds a result until the journal is stored up to a position. */
  hold_<T>(position: number, level: number, result: () => T): T | Promise<T> {
    const isFree = level === APPLIED || position === 0
    if (isFree || !this.door_.enter_('hold', position, level, ++this.lastToken_, this.engine_.clock_())) return result()
    return this.wait_(result)
  }

  /** Waits until everything so far is stored. */
  store_(level: number): void | Promise<void> {
    const now = this.engine_.clock_()
    if (level === WRITTEN) this.door_.enter_('flush', now)
    const isHeld = this.door_.enter_('store', level, ++this.lastToken_, now)
    const waiting = isHeld ? this.wait_(nothing) : undefined
    this.look_()
    return waiting
  }

  /** Waits until what was called so far is stored as callers want it. */
  settled_(level: number): void | Promise<void> {
    if (level !== APPLIED && this.door_.enter_('store', level, ++this.lastToken_, this.engine_.clock_())) {
      return this.wait_(nothing)
    }
  }

  wait_<T>(result: () => T): Promise<T> {
    const token = this.lastToken_
    return new Promise<T>((resolve, reject) => {
      const done = () => {
        try {
          resolve(result())
        } catch (error) {
          reject(error)
        }
      }
      this.held_.set(token, { done_: done, fail_: reject })
    })
  }

  /** Stores everything and lets go of the storage. */
  async close_(): Promise<void> {
    this.isClosing_ = true
    if (this.isFailing_) this.finish_(this.unstored_())
    else {
      this.door_.enter_('close', this.engine_.clock_())
      this.look_()
    }
    await this.ended_
    if (!(this.end_ instanceof ClosedError)) throw this.end_
  }

  /** How it is stored. */
  told_(): Told {
    this.door_.enter_('durability')
    const reader = this.door_.reply_()
    reader.check_()
    return readPlain<Told>(reader)
  }

  /** Tells whoever listens when the storage begins to fail, and when it works again. */
  watch_(isFailing: boolean): void {
    if (isFailing === this.isFailing_) return
    this.isFailing_ = isFailing
    if (isFailing && this.isClosing_) this.finish_(this.unstored_())
    else if (isFailing) this.engine_.tell_('persist-error', this.failure_())
    else this.engine_.tell_('persist-resumed')
  }

  failure_(): Error {
    const cause = this.link_.error_
    const what = `${this.told_().fault}${cause === undefined ? '' : ` (${cause})`}`
    const sentence = `${this.storage_.name} failed, and is tried again; writes are refused meanwhile: ${what}`
    return new StorageError(sentence, { cause })
  }

  unstored_(): Error {
    const cause = this.link_.error_
    const sentence = `${this.storage_.name} fails, and the last writes, which were not acknowledged, are not stored`
    return new StorageError(sentence, { cause })
  }

  /** Why it has ended. */
  reason_(): Error {
    const [name, message] = this.told_().end
    if (name === '') return new ClosedError()
    const words = message.replace('on_corruption: Salvage', "onCorruption: 'salvage'")
    const sentence = `${this.storage_.name}: ${words.replace('on_data_loss: Accept', "onDataLoss: 'accept'")}`
    const { error_ } = this.link_
    // A lock knows better who holds it.
    if (name === 'LockedError' && error_ instanceof Error) {
      return new STORAGE_ERRORS.LockedError(error_.message, { cause: error_ })
    }
    return new STORAGE_ERRORS[name](sentence, { cause: error_ })
  }

  /** The engine has failed. */
  fail_(failure: Error): void {
    const isRunning = this.engine_.door_ === this.door_
    if (isRunning) this.engine_.restart_(failure)
    // What fails while it is opened would fail again.
    this.finish_(isRunning ? failure : new EngineError(failure.cause))
  }

  /** Ends it, for everybody who waits. */
  finish_(reason: Error): void {
    if (this.end_ !== undefined) return
    this.end_ = reason
    for (const event of GOING) globalThis.removeEventListener?.(event, this.onGoing_)
    this.link_.end_()
    for (const held of this.held_.values()) held.fail_(reason)
    this.held_.clear()
    for (const add of this.adding_.splice(0)) add()
    this.onRefusal_(reason)
    this.onEnd_()
    if (this.engine_.door_ === this.door_) this.engine_.end_(reason)
    else this.engine_.timer_.set_(Infinity, false)
    // Nothing of it would be dropped with the instance.
    quietly(() => this.door_.enter_('abandon'))
    this.door_.drop_()
  }
}
