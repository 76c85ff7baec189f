// The public types, by exact assertions. Compiled by `npm run check`, never run.
//
// What a name of a type is, is compared with `same`; what has to be refused stands behind `@ts-expect-error`, which is
// itself an error where nothing is wrong.

import {
  type AutoClaimed,
  ClosedError,
  type ConsumerInfo,
  type Database,
  type Deletion,
  EngineError,
  type Entry,
  type FullStreamInfo,
  type Group,
  type GroupInfo,
  type Inspection,
  type Iteration,
  type Message,
  type MultiReply,
  type Name,
  type Opening,
  type PendingMessage,
  type PendingSummary,
  type Range,
  RedisError,
  type Reply,
  type Row,
  type Stream,
  type StreamInfo,
  open,
} from 'brooklet'
import { RedisError as SlimRedisError, type WasmSource, open as openSlim } from 'brooklet/slim'
import engine from 'brooklet/engine.wasm'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** Fails to compile unless both types are the same. */
function same<A, B>(..._: Same<A, B> extends true ? [] : ['the types differ', A, B]): void {}

// The assertion itself: what is only nearly the same is not.
same<string, string>()
// @ts-expect-error
same<string, any>()
// @ts-expect-error
same<any, string>()
// @ts-expect-error
same<string, string | undefined>()
// @ts-expect-error
same<string, 'text'>()
// @ts-expect-error
same<{ a: string }, { a?: string }>()
// @ts-expect-error
same<{ a: string }, { readonly a: string }>()

interface Click {
  page: string
  ms: number
  kind: 'left' | 'right'
  raw: Uint8Array
  ref?: string
}

declare const click: Click
declare const signal: AbortSignal

export async function opening(): Promise<void> {
  const handle = open({ memoryBytesMax: 5, replyBytesMax: 5, nodeBytesMax: 5, nodeEntriesMax: 5, clock: () => 5 })
  same<typeof handle, Opening>()
  same<Parameters<typeof handle.stream>, Parameters<Database['stream']>>()
  const db = await handle
  same<typeof db, Database>()
  open()
  open({ idempotentSeconds: 5, idempotentEntriesMax: undefined })
  // @ts-expect-error there is no such option
  open({ maxmemory: 5 })
  // @ts-expect-error it is a number
  open({ memoryBytesMax: '5' })
  // @ts-expect-error it is a function
  open({ clock: 5 })
  // @ts-expect-error only the slim entry takes the module
  open({ wasm: engine })

  same<WasmSource, string | URL | Response | PromiseLike<Response> | BufferSource | WebAssembly.Module>()
  same<typeof engine, WebAssembly.Module>()
  same<ReturnType<typeof openSlim>, Opening>()
  openSlim({ wasm: engine, nodeBytesMax: 5 })
  openSlim({ wasm: fetch('/engine.wasm') })
  // @ts-expect-error the slim entry needs the module
  openSlim()
  // @ts-expect-error the slim entry needs the module
  openSlim({})

  await using disposed = open()
  void disposed
}

export async function database(db: Database): Promise<void> {
  same<ReturnType<typeof db.flush>, Promise<void>>()
  same<ReturnType<typeof db.close>, Promise<void>>()
  same<ReturnType<typeof db.inspect>, Promise<Inspection>>()
  same<ReturnType<typeof db.configure>, Promise<void>>()
  // @ts-expect-error the clock is set when a database is opened
  db.configure({ clock: Date.now })

  const plain = db.stream('s')
  same<typeof plain, Stream<Record<string, string>>>()
  same<typeof plain.name, Name>()
  same<Name, string | Uint8Array>()
  db.stream(new Uint8Array())
  // @ts-expect-error a name is text or bytes
  db.stream(5)
  // @ts-expect-error an object is no value
  db.stream<{ a: object }>('s')
  // @ts-expect-error null is no value
  db.stream<{ a: string | null }>('s')

  const reply = await db.call('XPENDING', 'clicks', 'workers')
  same<typeof reply, Reply>()
  same<Reply, string | number | bigint | Uint8Array | null | Reply[]>()
  const length = await db.call<number>('XLEN', 'clicks')
  same<typeof length, number>()
  await db.call('XADD', new Uint8Array(), '*', 'f', 5, 'g', 5n)
  await db.call(['XREAD', 'BLOCK', 0, 'STREAMS', 's', '$'], { signal })
  // @ts-expect-error a command has a name
  db.call()
  // @ts-expect-error an object is no word
  db.call('XADD', 's', '*', 'f', {})
  // @ts-expect-error null is no word
  db.call('XADD', 's', '*', 'f', null)
  // @ts-expect-error there is no such option
  db.call(['PING'], { sginal: signal })

  const replies = await db.multi([['SET', 'k', 'v'], ['XLEN', 's']])
  same<typeof replies, MultiReply[]>()
  same<MultiReply, Reply | RedisError>()
  const typed = await db.multi<[string, number]>([['SET', 'k', 'v'], ['XLEN', 's']])
  same<typeof typed, [string, number]>()
  // @ts-expect-error a command is an array
  db.multi(['PING'])

  const clicks = db.stream<Click>('clicks')
  const several = db.read([{ stream: clicks, after: '0' }, { stream: 'other' }], { count: 5, signal })
  for await (const { stream, entry } of several) {
    same<typeof stream, Name>()
    same<typeof entry.id, string>()
  }
  const alike = db.read<Click>([{ stream: clicks }])
  same<typeof alike, Iteration<{ stream: Name; entry: Entry<Click> }>>()
  // @ts-expect-error each has its own
  db.read([{ stream: clicks }], { after: '0' })

  const { memoryBytes, streams } = await db.inspect()
  same<typeof memoryBytes, number>()
  same<(typeof streams)[number]['name'], Name>()
  same<(typeof streams)[number]['groups'][number]['lag'], number | null>()
}

export async function stream(db: Database, clicks: Stream<Click>): Promise<void> {
  const added = clicks.add(click)
  same<typeof added, Promise<string>>()
  const withId = clicks.add(click, { id: '5-*', maxLen: 5, approx: true, limit: 5, refs: 'ACKED' })
  same<typeof withId, Promise<string>>()
  const maybe = clicks.add([['page', '/']], { noMkStream: true })
  same<typeof maybe, Promise<string | null>>()
  clicks.add(new Map([['page', '/']]))
  clicks.add(click, { idempotent: { producer: 'p', id: '1' } })
  clicks.add(click, { ifLastId: '0-0' })
  same<Row<Click>, Click | Iterable<readonly [name: Name, value: string | number | bigint | Uint8Array]>>()
  // @ts-expect-error a field is missing
  clicks.add({ page: '/', ms: 5, kind: 'left' })
  // @ts-expect-error a field has another type
  clicks.add({ page: '/', ms: 5, kind: 'middle', raw: new Uint8Array() })
  // @ts-expect-error there is no such field
  clicks.add({ ...click, url: '/' })
  // @ts-expect-error a field is a pair
  clicks.add([['page']])
  // @ts-expect-error it is a string
  clicks.add(click, { id: 5 })
  // @ts-expect-error there is no such option
  clicks.add(click, { maxlen: 5 })
  // @ts-expect-error there is no such kind
  clicks.add(click, { refs: 'acked' })
  // @ts-expect-error who produces it has to be said
  clicks.add(click, { idempotent: { id: '1' } })
  // A stream of which nothing is said takes text, numbers and bytes under any name.
  db.stream('s').add([['a', 5], ['b', new Uint8Array()]])

  const many = clicks.addMany([click, click], { maxLen: 5, signal })
  same<typeof many, Promise<string[]>>()
  const maybeMany = clicks.addMany(new Set([click]), { noMkStream: true })
  same<typeof maybeMany, Promise<(string | null)[]>>()
  // @ts-expect-error one stands for all rows
  clicks.addMany([click], { ifLastId: '0-0' })
  // @ts-expect-error rows are many
  clicks.addMany(click)

  same<ReturnType<typeof clicks.length>, Promise<number>>()
  same<ReturnType<typeof clicks.trim>, Promise<number>>()
  same<ReturnType<typeof clicks.setId>, Promise<void>>()
  same<ReturnType<typeof clicks.configure>, Promise<void>>()
  same<ReturnType<typeof clicks.recordIdempotent>, Promise<void>>()
  same<ReturnType<typeof clicks.group>, Promise<Group<Click>>>()
  same<ReturnType<typeof clicks.groups>, Promise<GroupInfo[]>>()
  same<ReturnType<typeof clicks.destroyGroup>, Promise<boolean>>()
  const deleted = clicks.delete(['1-1'])
  same<typeof deleted, Promise<number>>()
  const outcomes = clicks.delete('1-1', { refs: 'ACKED' })
  same<typeof outcomes, Promise<Deletion[]>>()
  same<Deletion, 'deleted' | 'missing' | 'referenced'>()
  const info = clicks.info()
  same<typeof info, Promise<StreamInfo<Click>>>()
  same<StreamInfo<Click>['firstEntry'], Entry<Click> | null>()
  const full = clicks.info({ full: true, count: 5 })
  same<typeof full, Promise<FullStreamInfo<Click>>>()
  same<FullStreamInfo<Click>['entries'], Entry<Click>[]>()
  // @ts-expect-error a number is no ID
  clicks.delete([5])
  // @ts-expect-error count belongs to the full form
  clicks.info({ count: 5 })

  const range = clicks.range({ from: '-', to: '+', count: 5, reverse: true, signal })
  same<typeof range, Range<Entry<Click>>>()
  same<ReturnType<typeof range.toArray>, Promise<Entry<Click>[]>>()
  const live = clicks.read({ after: '$', count: 5, signal })
  same<typeof live, Iteration<Entry<Click>>>()
  await using disposed = clicks.read()
  void disposed
  // It is what functions that take iterators want.
  const iterator: AsyncIterableIterator<Entry<Click>> = live
  const iterable: AsyncIterable<Entry<Click>> = live
  void [iterator, iterable]
  // @ts-expect-error what never ends has no array
  live.toArray()
  // @ts-expect-error it is a string
  clicks.read({ after: 0 })
  // @ts-expect-error it is called `from` in ranges only
  clicks.read({ from: '0' })

  const readable = clicks.readable({ after: '0' })
  same<typeof readable, ReadableStream<Entry<Click>>>()
  const writable = db.stream<Click>('copy').writable({ maxLen: 5 })
  same<typeof writable, WritableStream<Row<Click>>>()
  await readable.pipeTo(writable)
  // @ts-expect-error a stream of other entries
  await readable.pipeTo(new WritableStream<string>())
}

export function entry(one: Entry<Click>, any: Entry): void {
  same<typeof one.id, string>()
  const [page, ms, kind] = [one.get('page'), one.get('ms'), one.get('kind')]
  const [raw, ref] = [one.get('raw'), one.get('ref')]
  same<typeof page, string | undefined>()
  // Numbers are stored as text.
  same<typeof ms, string | undefined>()
  same<typeof kind, 'left' | 'right' | undefined>()
  same<typeof raw, string | Uint8Array | undefined>()
  same<typeof ref, string | undefined>()
  const [pages, kinds, refs] = [one.getAll('page'), one.getAll('kind'), one.getAll('ref')]
  same<typeof pages, string[]>()
  same<typeof kinds, ('left' | 'right')[]>()
  same<typeof refs, string[]>()
  const bytes = one.bytes('raw')
  same<typeof bytes, Uint8Array<ArrayBuffer> | undefined>()
  same<typeof one.flat, readonly string[]>()
  same<typeof one.pairs, [name: string, value: string][]>()
  const object = one.toObject()
  same<
    typeof object,
    { page: string; ms: string; kind: 'left' | 'right'; raw: string | Uint8Array; ref?: string }
  >()
  for (const [name, value] of one) same<typeof name | typeof value, string>()
  // @ts-expect-error there is no such field
  one.get('url')
  // @ts-expect-error there is no such field
  one.getAll('url')
  // @ts-expect-error an entry does not change
  one.id = '1-1'
  const value = any.get('anything')
  same<typeof value, string | undefined>()
  const all = any.toObject()
  same<typeof all, { [x: string]: string }>()
}

export async function group(workers: Group<Click>): Promise<void> {
  same<typeof workers.stream, Stream<Click>>()
  const reading = workers.read('worker-1', { count: 10, claimIdle: 30_000, noAck: true, signal })
  same<typeof reading, Iteration<Message<Click>>>()
  for await (const message of reading) {
    const entry: Entry<Click> = message
    void entry
    same<typeof message.deliveries, number>()
    same<typeof message.idle, number | null>()
    same<ReturnType<typeof message.ack>, Promise<boolean>>()
    same<ReturnType<typeof message.nack>, Promise<boolean>>()
    message.nack({ mode: 'FAIL', retryCount: 5 })
    // @ts-expect-error there is no such mode
    message.nack({ mode: 'fail' })
  }
  // @ts-expect-error whoever reads has a name
  workers.read()
  // @ts-expect-error an iteration waits anyway
  workers.read('c', { block: 5 })

  const batch = workers.readBatch('c', { count: 5, block: 0, after: '0', claimIdle: 5, noAck: true, signal })
  same<typeof batch, Promise<Message<Click>[]>>()
  same<ReturnType<typeof workers.ack>, Promise<number>>()
  same<ReturnType<typeof workers.nack>, Promise<number>>()
  same<ReturnType<typeof workers.ackDelete>, Promise<Deletion[]>>()
  same<ReturnType<typeof workers.consumers>, Promise<ConsumerInfo[]>>()
  same<ReturnType<typeof workers.createConsumer>, Promise<boolean>>()
  same<ReturnType<typeof workers.deleteConsumer>, Promise<number>>()
  same<ReturnType<typeof workers.setId>, Promise<void>>()
  same<ReturnType<typeof workers.info>, Promise<GroupInfo | null>>()
  same<ReturnType<typeof workers.destroy>, Promise<boolean>>()

  const claimed = workers.claim('c', 5, ['1-1'], { idle: 5, time: 5, retryCount: 5, force: true, lastId: '1-1' })
  same<typeof claimed, Promise<Message<Click>[]>>()
  const claimedIds = workers.claim('c', 5, '1-1', { justId: true })
  same<typeof claimedIds, Promise<string[]>>()
  const auto = workers.autoClaim('c', 5, { start: '0', count: 5 })
  same<typeof auto, Promise<AutoClaimed<Message<Click>>>>()
  const autoIds = workers.autoClaim('c', 5, { justId: true })
  same<typeof autoIds, Promise<AutoClaimed<string>>>()
  same<AutoClaimed<string>, { next: string; claimed: string[]; deleted: string[] }>()
  // @ts-expect-error how long it was idle has to be said
  workers.claim('c', ['1-1'])

  const summary = workers.pending()
  same<typeof summary, Promise<PendingSummary>>()
  const list = workers.pending({ from: '-', to: '+', count: 5, consumer: 'c', minIdle: 5 })
  same<typeof list, Promise<PendingMessage[]>>()
  same<PendingMessage['consumer'], Name | null>()
  same<PendingMessage['idle'], number | null>()
}

export function errors(error: unknown): void {
  if (error instanceof RedisError) {
    same<typeof error.code, string>()
    same<typeof error.message, string>()
    same<typeof error.ids, string[] | undefined>()
    // @ts-expect-error it is read
    error.code = 'ERR'
  }
  for (const kind of [ClosedError, EngineError]) if (error instanceof kind) same<typeof error.cause, unknown>()
  const same_: typeof SlimRedisError = RedisError
  void same_
}
