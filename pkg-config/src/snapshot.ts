// A database as a stream of bytes: to keep a copy elsewhere, to move it, to look at it in another program.
//
// *Design.* A snapshot is what DUMP gives of each key, with its name and when it expires, and at the end a sum over those;
// what is dumped has a checksum of its own. Everything is dumped in one task, so it is the state of one moment, and is
// handed out when that is stored. Nothing is restored before the whole stream is there and its sum is right.
//
// *Why not the files of the storage.* They belong to one owner and one place; this can be read into any database.
//
// *Layout*, numbers with the lowest byte first: the text `BRX1`; for each key 4 bytes with the length of its name, the name,
// 8 bytes with the milliseconds since 1970 at which it expires (0: never), 4 bytes with the length of what is dumped, and
// that; at the end 4 bytes all of whose bits are set, 4 bytes with the number of keys, and 4 bytes with the sum: FNV-1a over
// names and times.

import type { Name } from '../types/index.js'
import { concatenate } from './bytes.js'
import type { Engine } from './engine.js'
import { CorruptError } from './errors.js'
import { isBytes } from './options.js'
import { nothing, readInteger } from './shapes.js'
import { APPLIED, USUAL } from './stored.js'
import { Slice } from './timer.js'

const MAGIC = 'BRX1'
const END = 2 ** 32 - 1
const SUM_START = 0x811c9dc5

/** A key, as it stands in a snapshot. */
interface Key {
  name_: Uint8Array
  expires_: number
  dumped_: Uint8Array
}

const encode = (text: Name): Uint8Array => (isBytes(text) ? text : new TextEncoder().encode(text))

/** The database as it is when somebody begins to read. */
export function exportSnapshot(engine: Engine): ReadableStream<Uint8Array> {
  let pieces: Iterator<Uint8Array> | undefined
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (pieces === undefined) {
          const keys = await engine.enter_(() => dumpAll(engine))
          await engine.stored_?.settled_(USUAL)
          pieces = write(keys)
        }
        const { value, done } = pieces.next()
        if (done) controller.close()
        else controller.enqueue(value)
      },
    },
    { highWaterMark: 0 },
  )
}

/** Restores every key of a snapshot, and says how many there were. */
export async function importSnapshot(
  engine: Engine,
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array> | ReadableStream<Uint8Array>,
  replace: boolean,
): Promise<number> {
  const keys = read(await collect(source))
  const slice = new Slice()
  for (const { name_, expires_, dumped_ } of keys) {
    const words = ['RESTORE', name_, expires_, dumped_, 'ABSTTL', ...(replace ? ['REPLACE'] : [])]
    await engine.add_(words, nothing, APPLIED)
    if (engine.isFull_()) await engine.room_(nothing)
    if (slice.isOver_()) await slice.pause_()
  }
  await engine.stored_?.settled_(USUAL)
  return keys.length
}

/** What every key is, at one moment. */
function dumpAll(engine: Engine): Key[] {
  const now = engine.tick_()
  engine.door_!.enter_('names', 1)
  const names = engine.reply_((reader) => reader.value_() as Name[], APPLIED) as Name[]
  return names.map((name) => {
    const left = engine.runNow_(['PTTL', name], readInteger, now)
    const dumped = engine.runNow_(['DUMP', name], (reader) => reader.value_() as Name, now)
    return { name_: encode(name), expires_: left < 0 ? 0 : Math.floor(now) + left, dumped_: encode(dumped) }
  })
}

function* write(keys: Key[]): Generator<Uint8Array, undefined> {
  yield encode(MAGIC)
  let sum = SUM_START
  for (const { name_, expires_, dumped_ } of keys) {
    const head = new Uint8Array(name_.length + 16)
    const view = new DataView(head.buffer)
    view.setUint32(0, name_.length, true)
    head.set(name_, 4)
    view.setBigUint64(name_.length + 4, BigInt(expires_), true)
    view.setUint32(name_.length + 12, dumped_.length, true)
    sum = add(sum, head.subarray(4, name_.length + 12))
    yield head
    yield dumped_
  }
  const end = new DataView(new ArrayBuffer(12))
  for (const [place, value] of [END, keys.length, sum].entries()) end.setUint32(place * 4, value, true)
  yield new Uint8Array(end.buffer)
}

function read(bytes: Uint8Array): Key[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const keys: Key[] = []
  let at = 0
  const take = (length: number): Uint8Array => {
    if (at + length > bytes.length) throw new CorruptError(`the snapshot ends too early, after ${bytes.length} bytes`)
    at += length
    return bytes.subarray(at - length, at)
  }
  const number = () => {
    take(4)
    return view.getUint32(at - 4, true)
  }
  if (String.fromCharCode(...take(4)) !== MAGIC) throw new CorruptError('these bytes are no snapshot of brooklet')
  let sum = SUM_START
  for (let length = number(); length !== END; length = number()) {
    const start = at
    const name_ = take(length)
    take(8)
    const expires_ = Number(view.getBigUint64(at - 8, true))
    sum = add(sum, bytes.subarray(start, at))
    keys.push({ name_, expires_, dumped_: take(number()) })
  }
  if (number() !== keys.length || number() !== sum || at !== bytes.length) {
    throw new CorruptError(`the snapshot is damaged: it does not hold the ${keys.length} keys that it should`)
  }
  return keys
}

/** FNV-1a. */
function add(sum: number, bytes: Uint8Array): number {
  for (const byte of bytes) sum = Math.imul(sum ^ byte, 0x01000193) >>> 0
  return sum
}

async function collect(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array> | ReadableStream<Uint8Array>) {
  const pieces: Uint8Array[] = []
  const take = (piece: unknown) => {
    if (!isBytes(piece)) throw new TypeError('a snapshot must be a stream of Uint8Arrays')
    pieces.push(piece)
  }
  if (source instanceof ReadableStream) {
    const reader = source.getReader()
    for (let next = await reader.read(); !next.done; next = await reader.read()) take(next.value)
  } else {
    for await (const piece of source) take(piece)
  }
  return concatenate(pieces)
}
