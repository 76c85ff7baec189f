// The door to the engine: the only file that knows the glue, the memory of the instance, and what a trap means.
//
// *Design.* A request is written straight into the instance's memory, a call runs it, and the reply is read where the
// engine wrote it. Two views cover the whole memory; they are made anew when the memory has grown, which is seen by
// their having become empty. After anything was thrown out of the instance, its state may be half changed: it is
// dropped, and with it its memory, and nothing is called any more.
//
// *Why not a view for each buffer.* A view costs more to make than a small request to run.
//
// *Invariants*
// 1. After each call into the instance the views are whole; nobody keeps one across a call.
// 2. Nothing is called in an instance that has thrown.

import { type Client, type Exports, type Method, glue } from 'brooklet-glue'
import type { Limits } from '../types/index.js'
import { EngineError, RedisError } from './errors.js'
import { Reader } from './reply.js'
import { LENGTH_BYTES, type Words, measure, write, writeLength } from './request.js'

// Places in the answer; wasm/src/answer.rs has the layout.
const POSITION = 5
const WAITER = 7
const DEADLINE = 9
const STATE = 11

/** The options of the door, in its order. */
export const LIMITS =
  'memoryBytesMax replyBytesMax nodeBytesMax nodeEntriesMax idempotentSeconds idempotentEntriesMax'

const ROOM_BYTES_MIN = 4096
/** A buffer larger than this is given back by the door after its call. */
const ROOM_BYTES_KEPT = 1 << 20
/** An instance cannot hold more. */
const ROOM_BYTES_MAX = 2 ** 31

/** An instance of the engine. */
export class Door {
  exports_: Exports
  door_: number
  bytes_!: Uint8Array
  words_!: Uint32Array
  /** Where requests are written, and how much room there is. */
  room_ = 0
  roomBytes_ = 0
  /** Where the answer stands, in words. */
  answer_: number
  reader_ = new Reader()
  failure_: Error | undefined
  /** What a failure of the instance is to those who call. */
  Failure_: new (cause: unknown) => Error = EngineError
  /** Called when the instance has failed. */
  onFailure_: ((failure: Error) => void) | undefined

  constructor(module: WebAssembly.Module, limits: Limits) {
    this.exports_ = glue(module, (run) => this.guard_(run))
    this.door_ = this.exports_.door_new()
    this.answer_ = this.exports_.door_answer(this.door_) >>> 2
    this.look_()
    this.configure_(limits)
  }

  /** Runs a command. True if there is a reply; otherwise it waits, as `waiter_` says. */
  call_(words: Words, nowMs: number): boolean {
    const room = this.ready_(measure(words))
    const bytes = write(this.bytes_, room, words) - room
    this.forget_()
    // What `enter_` does, for the one method that is called so often that a name costs too much.
    if (this.failure_ !== undefined) throw this.failure_
    let isDone
    try {
      isDone = this.exports_.door_call(this.door_, bytes, nowMs)
    } catch (error) {
      throw this.fail_(error)
    }
    if (this.bytes_.length === 0) this.look_()
    return isDone !== 0
  }

  /** Runs commands as one unit. */
  exec_(batch: readonly Words[], nowMs: number): void {
    let bytes = 0
    for (const words of batch) bytes += LENGTH_BYTES + measure(words)
    const room = this.ready_(bytes)
    let at = room
    for (const words of batch) at = write(this.bytes_, writeLength(this.bytes_, at, words.length), words)
    this.forget_()
    this.enter_('exec', at - room, nowMs)
  }

  /** Changes limits; `LIMITS` has their order. */
  configure_(limits: Limits): void {
    const values = LIMITS.split(' ').map((name) => limits[name as keyof Limits] ?? -1)
    this.enter_('configure', ...values)
  }

  /** Replaces the empty database by one that is stored. */
  open_(link: Client, traits: number, valueBytesMax: number, options: number, lockWaitMs: number): void {
    this.run_(() => this.exports_.door_open(this.door_, link, traits, valueBytesMax, options, lockWaitMs))
  }

  /** The same with the one in IndexedDB that has this name. */
  openIndexedDb_(client: Client, name: string, options: number, lockWaitMs: number): void {
    const bytes = new TextEncoder().encode(name)
    const room = this.ready_(bytes.length)
    this.bytes_.set(bytes, room)
    this.run_(() => this.exports_.door_open_idb(this.door_, client, bytes.length, options, lockWaitMs))
  }

  /** Runs what the platform calls back, unless the instance is gone. */
  guard_(run: () => unknown): unknown {
    if (this.exports_ === undefined) return undefined
    try {
      return this.run_(run)
    } catch {
      // Whoever waits has been told.
      return undefined
    }
  }

  /** Runs something in the instance. */
  run_<T>(run: () => T): T {
    try {
      return run()
    } catch (error) {
      throw this.fail_(error)
    } finally {
      if (this.bytes_?.length === 0) this.look_()
    }
  }

  /** All memory, as it is now: also inside a call, in which it may have grown. */
  memory_(): Uint8Array {
    if (this.bytes_.length === 0) this.look_()
    return this.bytes_
  }

  /** The reply that is there. */
  reply_(): Reader {
    this.reader_.begin_(this.words_, this.bytes_, this.answer_)
    return this.reader_
  }

  /** Who waits, or whose reply is there. */
  waiter_(): number {
    return this.number_(WAITER)
  }

  /** Up to where the journal has to be stored before the reply may be seen. */
  position_(): number {
    return this.number_(POSITION)
  }

  /** How the database is stored. */
  state_(): number {
    return this.words_[this.answer_ + STATE]!
  }

  /** When time has to pass; very large if never. */
  deadline_(): number {
    return this.number_(DEADLINE)
  }

  number_(place: number): number {
    const at = this.answer_ + place
    return this.words_[at + 1]! * 2 ** 32 + this.words_[at]!
  }

  /** Makes room for a request, and says where. */
  ready_(bytes: number): number {
    if (bytes > this.roomBytes_) {
      const wanted = Math.max(bytes, ROOM_BYTES_MIN)
      const isPossible = wanted < ROOM_BYTES_MAX
      const room = isPossible ? this.enter_('room', wanted) >>> 0 : 0
      if (room === 0) throw new RedisError(`OOM no memory for a request of ${bytes} bytes`)
      this.room_ = room
      this.roomBytes_ = wanted
    }
    return this.room_
  }

  /** The door gives large room back after the call that comes now. */
  forget_(): void {
    if (this.roomBytes_ > ROOM_BYTES_KEPT) this.roomBytes_ = 0
  }

  /** Calls into the instance: one of the methods of wasm/src/door.rs. */
  enter_(method: Method, ...numbers: number[]): number {
    if (this.failure_ !== undefined) throw this.failure_
    let result
    try {
      result = this.exports_[`door_${method}`](this.door_, ...numbers)
    } catch (error) {
      throw this.fail_(error)
    }
    if (this.bytes_.length === 0) this.look_()
    return result
  }

  /** Makes the views of a memory that has grown. */
  look_(): void {
    this.bytes_ = new Uint8Array(this.exports_.memory.buffer)
    this.words_ = new Uint32Array(this.exports_.memory.buffer)
  }

  fail_(error: unknown): Error {
    const failure = new this.Failure_(error)
    this.failure_ = failure
    this.drop_()
    this.onFailure_?.(failure)
    return failure
  }

  /** Lets go of the instance and its memory. */
  drop_(): void {
    this.exports_ = this.bytes_ = this.words_ = this.reader_ = undefined as never
  }
}
