// Between the engine and a storage: requests out, answers back. wasm/src/storage.rs has the encoding of both.
//
// *Design.* A request is numbers in the instance's memory; the bytes it speaks of are copied before the storage is
// asked. An answer is encoded here and fetched by the engine: at once if the storage has answered at once, otherwise the
// engine is told that there is one. Whatever a storage throws is an answer, too.
//
// *Why not let the engine call the storage's methods.* Each would be an import of the module, and every object that goes
// across would have to be taken apart from there, field by field.
//
// *Invariants*
// 1. Nothing is told to an engine that is gone, and what a storage gives when it is too late is let go of.
// 2. A view of the memory is made anew in each request: the memory may have grown in the call that asks.

import type { Awaitable, Storage, StorageBatch, StorageConnection, StoredBytes } from '../types/storage.js'
import type { Door } from './door.js'
import { isBytes } from './options.js'
import { quietly } from './shapes.js'
import { nextTask } from './timer.js'

/** The largest value that a storage takes well, unless it says otherwise. */
const VALUE_BYTES_MAX = 60_000

const LOCK = 1
const OPEN = 2
const READ_MANIFEST = 3
const READ_WITNESS = 4
const READ_EPOCH = 5
const LIST_LOG = 6
const READ_LOG = 7
const LIST_PARTS = 8
const READ_PARTS = 9
const WRITE = 10

const DONE = 0
const FAILED = 1
const FENCED = 2
const LOCKED = 3
const VALUE = 4
const NUMBER = 5
const NO_BOUNDS = 6
const BOUNDS = 7
const CHUNKS = 8
const IDS = 9
const VALUES = 10

/** A piece of an answer: a number, or a value. */
type Piece = number | StoredBytes

/** A storage, as an engine sees it. */
export class StorageLink {
  storage_: Storage
  door_: Door
  drive_: () => void
  connection_: StorageConnection | undefined
  unlock_: (() => void) | undefined
  /** Answers that were not fetched yet. */
  answers_ = new Map<number, Uint8Array>()
  isOver_ = false
  /** What the storage has thrown last. */
  error_: unknown

  constructor(storage: Storage, door: Door, drive: () => void) {
    this.storage_ = storage
    this.door_ = door
    this.drive_ = drive
  }

  /** What the storage is like, as the door takes it. */
  traits_(): [flags: number, valueBytesMax: number] {
    const { sync, canTear, losesOnFailedSync, valueBytesMax = VALUE_BYTES_MAX } = this.storage_
    return [(sync ? 1 : 0) + (canTear ? 2 : 0) + (losesOnFailedSync ? 4 : 0), valueBytesMax]
  }

  // What the engine calls.

  soon(atOnce: boolean): void {
    const drive = () => {
      if (!this.isOver_) quietly(this.drive_)
    }
    if (atOnce) queueMicrotask(drive)
    else nextTask(drive)
  }

  ask(number: number, at: number): number {
    const answer = this.ask_(new Request(this.door_, at), (answer) => {
      if (this.isOver_) return
      this.answers_.set(number, answer)
      quietly(() => this.door_.enter_('answered', number, answer.length))
    })
    if (answer === undefined) return -1
    this.answers_.set(number, answer)
    return answer.length
  }

  answer(number: number, address: number): void {
    this.door_.memory_().set(this.answers_.get(number)!, address)
    this.answers_.delete(number)
  }

  /** Lets go of the storage. */
  end_(): void {
    this.isOver_ = true
    this.answers_.clear()
    quietly(() => this.connection_?.close())
    quietly(() => this.unlock_?.())
  }

  /** Asks the storage. The answer is returned if there is one at once; otherwise `later` gets it. */
  ask_(request: Request, later: (answer: Uint8Array) => void): Uint8Array | undefined {
    const kind = request.word_()
    const failed = (error: unknown) => this.failed_(error)
    try {
      const given = this.perform_(kind, request)
      if (!isPromise(given)) return encode(kind, given)
      given.then((result) => encode(kind, result)).then(later, (error) => later(failed(error)))
      return undefined
    } catch (error) {
      return failed(error)
    }
  }

  perform_(kind: number, request: Request): Awaitable<unknown> {
    const { storage_ } = this
    if (kind === LOCK) return this.lock_(request.number_(), request.flag_())
    if (kind === OPEN) return this.open_(request.flag_(), request.flag_())
    if (kind === READ_WITNESS) return storage_.readWitness?.() ?? null
    const connection = this.connection_!
    switch (kind) {
      case READ_MANIFEST:
        return connection.readManifest()
      case READ_EPOCH:
        return connection.readEpoch()
      case LIST_LOG:
        return connection.listLog()
      case READ_LOG:
        return connection.readLog(request.number_(), request.word_())
      case LIST_PARTS:
        return connection.listParts()
      case READ_PARTS:
        return connection.readParts(request.numbers_())
      case WRITE:
        return connection.write(request.batch_())
    }
    return storage_.writeWitness?.(request.bytes_())
  }

  lock_(wait: number, steal: boolean): Awaitable<void> {
    const hold = (unlock: (() => void) | undefined) => {
      if (this.isOver_) unlock?.()
      else this.unlock_ = unlock
    }
    const given = this.storage_.lock?.({ wait: wait < Number.MAX_SAFE_INTEGER ? wait : Infinity, steal })
    return isPromise(given) ? given.then(hold) : hold(given)
  }

  open_(newSegment: boolean, readOnly: boolean): Awaitable<void> {
    quietly(() => this.connection_?.close())
    this.connection_ = undefined
    const keep = (connection: StorageConnection) => {
      // A connection that comes when another one is there already was given up.
      if (this.isOver_ || this.connection_ !== undefined) connection.close()
      else this.connection_ = connection
    }
    const given = this.storage_.open({ newSegment, readOnly })
    return isPromise(given) ? given.then(keep) : keep(given)
  }

  /** What is thrown, as an answer. */
  failed_(error: unknown): Uint8Array {
    this.error_ = error
    const { name, code } = (error ?? {}) as { name?: unknown; code?: unknown }
    if (name === 'FencedError') return Uint8Array.of(FENCED)
    if (name === 'LockedError') return Uint8Array.of(LOCKED)
    const isFull = name === 'QuotaExceededError' || code === 'ENOSPC' || code === 'EDQUOT'
    return Uint8Array.of(FAILED, isFull ? 1 : name === 'InvalidStateError' ? 2 : 0)
  }
}

/** A request that is being read. */
class Request {
  memory_: Uint8Array
  view_: DataView
  at_: number

  constructor(door: Door, at: number) {
    this.memory_ = door.memory_()
    this.view_ = new DataView(this.memory_.buffer)
    this.at_ = at
  }

  word_(): number {
    this.at_ += 4
    return this.view_.getUint32(this.at_ - 4, true)
  }

  flag_(): boolean {
    return this.word_() !== 0
  }

  number_(): number {
    const low = this.word_()
    return this.word_() * 2 ** 32 + low
  }

  numbers_(): number[] {
    return this.list_(() => this.number_())
  }

  bytes_(): Uint8Array {
    const at = this.word_()
    return this.memory_.slice(at, at + this.word_())
  }

  values_(): [number, Uint8Array][] {
    return this.list_(() => [this.number_(), this.bytes_()])
  }

  batch_(): StorageBatch {
    const epoch = this.number_()
    const flags = this.word_()
    const number = (flag: number) => (flags & flag ? this.number_() : null)
    // In the order in which they stand there.
    const manifest = flags & 4 ? this.bytes_() : null
    const [deleteLogUpto, deleteLogFrom, quarantineFrom] = [number(8), number(16), number(32)]
    const [parts, chunks, deleteParts] = [this.values_(), this.values_(), this.numbers_()]
    const [claim, durable] = [(flags & 1) !== 0, (flags & 2) !== 0]
    const deletions = { deleteLogUpto, deleteLogFrom, quarantineFrom, deleteParts }
    return { epoch, claim, durable, parts, chunks, manifest, ...deletions }
  }

  list_<T>(one: () => T): T[] {
    return Array.from({ length: this.word_() }, one)
  }
}

/** What a storage gave, as an answer. */
function encode(kind: number, given: unknown): Uint8Array {
  switch (kind) {
    case READ_MANIFEST:
    case READ_WITNESS:
      return written(VALUE, [checkedValue(given)])
    case READ_EPOCH:
      return written(NUMBER, [checkedNumber(given)])
    case LIST_LOG:
      return given === null ? written(NO_BOUNDS, []) : written(BOUNDS, checkedNumbers(given).slice(0, 2))
    case READ_LOG: {
      const chunks = given as [number, StoredBytes][]
      return written(CHUNKS, chunks.flatMap(([sequence, bytes]) => [checkedNumber(sequence), checkedValue(bytes)]))
    }
    case LIST_PARTS:
      return written(IDS, checkedNumbers(given))
    case READ_PARTS:
      return written(VALUES, (given as StoredBytes[]).map(checkedValue))
    default:
      return written(DONE, [])
  }
}

function written(kind: number, pieces: readonly Piece[]): Uint8Array {
  let size = 1
  for (const piece of pieces) size += typeof piece === 'number' ? 8 : 4 + (isBytes(piece) ? piece.length : 0)
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  bytes[0] = kind
  let at = 1
  for (const piece of pieces) {
    if (typeof piece === 'number') {
      view.setBigUint64(at, BigInt(piece), true)
      at += 8
    } else {
      const isThere = isBytes(piece)
      view.setUint32(at, isThere ? piece.length : 2 ** 32 - (piece === null ? 1 : 2), true)
      at += 4
      if (isThere) {
        bytes.set(piece, at)
        at += piece.length
      }
    }
  }
  return bytes
}

function checkedValue(given: unknown): StoredBytes {
  // Where somebody else's storage gives nothing, there is nothing.
  if (given === undefined || given === null) return null
  if (given === 'unreadable' || isBytes(given)) return given
  throw new TypeError('a storage must give a Uint8Array, null or "unreadable" for a value')
}

function checkedNumber(given: unknown): number {
  if (Number.isSafeInteger(given) && (given as number) >= 0) return given as number
  throw new TypeError('a storage must give integers, 0 or more, for sequences, epochs and IDs')
}

function checkedNumbers(given: unknown): number[] {
  return Array.from(given as Iterable<unknown>, checkedNumber)
}

function isPromise<T>(given: T | PromiseLike<T>): given is PromiseLike<T> {
  return typeof (given as PromiseLike<T> | undefined)?.then === 'function'
}
