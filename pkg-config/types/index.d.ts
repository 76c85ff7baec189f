/// <reference lib="esnext.disposable" preserve="true" />

/**
 * Redis Streams as a library.
 *
 * `open()` makes a database; `database.stream(name)` is a handle on a stream; `stream.group(name)` one on a consumer
 * group. Every method that returns a promise runs its command before it returns, once the engine is ready; calls made
 * before that are run in order. What is wrong with an argument is told with a `TypeError` that names it, what the
 * engine refuses with a {@link RedisError}.
 */

import type { IndexedDbStorage } from './indexeddb.js'
import type { Storage, StorageDescription } from './storage.js'

export type * from './storage.js'

/** What can be stored: text, bytes, or a number, which is stored as its text. */
export type Value = string | number | bigint | Uint8Array

/** A name of a stream, a group or a consumer. A name that is not valid UTF-8 is bytes. */
export type Name = string | Uint8Array

/** The fields of an entry, by name. `Record<string, string>` if nothing is said. */
export type Fields<F> = { [Field in keyof F]: Value | undefined }

/**
 * What a field of this declared type is when it is read. Numbers are stored as text. A field declared as bytes is
 * read as text when its bytes are valid UTF-8: `entry.bytes(name)` is always bytes.
 */
export type Read<V> = V extends string ? V : V extends Uint8Array ? string | Uint8Array : string

/** Fields to add: an object, pairs in order (an array, a `Map`, an entry), or anything else that yields pairs. */
export type Row<F> = F | Iterable<readonly [name: Name, value: Value]>

/** A reply as Redis gives it: text that is not valid UTF-8 is bytes, and integers beyond 2^53 are bigints. */
export type Reply = string | number | bigint | Uint8Array | null | Reply[]

/** A reply of `multi`, where an error is a value. */
export type MultiReply = Reply | RedisError

/** What becomes of references in groups to entries that are removed; see `XDELEX`. */
export type References = 'KEEPREF' | 'DELREF' | 'ACKED'

/** What became of an entry that was to be deleted. */
export type Deletion = 'deleted' | 'missing' | 'referenced'

/** How a released message is counted: as not delivered, as delivered, or as never to be delivered again. */
export type NackMode = 'SILENT' | 'FAIL' | 'FATAL'

/** Options that may change while a database is open. What is not given stays as it is. */
export interface Limits {
  /** Bytes of memory beyond which commands that add are refused with `OOM`. 0, the default, is no limit. */
  memoryBytesMax?: number | undefined
  /** Bytes beyond which a reply is refused. 64 MiB by default. */
  replyBytesMax?: number | undefined
  /** `stream-node-max-bytes`, which decides what approximate trimming removes. 4096 by default. */
  nodeBytesMax?: number | undefined
  /** `stream-node-max-entries`, likewise. 100 by default. */
  nodeEntriesMax?: number | undefined
  /** How long new streams remember a producer's IDs, in seconds. 100 by default. */
  idempotentSeconds?: number | undefined
  /** How many IDs new streams remember for each producer. 100 by default. */
  idempotentEntriesMax?: number | undefined
}

/**
 * What an answer promises. `applied`: every reader of this database sees it. `written`: it survives the end of the tab,
 * the page, the process. `durable`: the platform was asked to let it survive a power cut, and said yes.
 */
export type Durability = 'applied' | 'written' | 'durable'

/** How a call is made. */
export interface CallOptions {
  /** Ends the wait of a command with `BLOCK`. */
  signal?: AbortSignal | undefined
  /** What the reply waits for. By default as `fsync` says. */
  durability?: Durability | undefined
}

/** How a database is opened. */
export interface OpenOptions extends Limits {
  /** Where it is stored: `indexedDb('name')`, `nodeFiles('./dir')`, `memory()`, or anything that is a {@link Storage}. */
  storage?: Storage | IndexedDbStorage | undefined
  /**
   * When what is written becomes durable, as Redis' `appendfsync`. `everysec`, the default: replies wait until it is
   * written, and once a second it is made durable. `always`: replies wait until it is durable. `no`: only `sync()` does.
   */
  fsync?: 'always' | 'everysec' | 'no' | undefined
  /** Only looks: takes nothing over, writes nothing. Commands that write are refused with `READONLY`. */
  readOnly?: boolean | undefined
  /** Waits if somebody else has it open: for so many milliseconds, or for ever. Otherwise that is a {@link LockedError}. */
  wait?: boolean | number | undefined
  /** Takes it from whoever has it open. He gets a {@link FencedError}. */
  steal?: boolean | undefined
  /** What to do if what is stored is damaged behind a good beginning: refuse, or load that and put the rest aside. */
  onCorruption?: 'refuse' | 'salvage' | undefined
  /** What to do if less is stored than was known to be durable: refuse, or go on with what there is. */
  onDataLoss?: 'refuse' | 'accept' | undefined

  /**
   * The time in milliseconds since 1970, instead of `Date.now`. After it moved, the next call lets that time pass. If
   * it stands still, so does everything that waits for a time.
   */
  clock?: (() => number) | undefined
}

/** A database that is being opened. It is usable at once; awaiting it tells whether it could be opened. */
export interface Opening extends Database, PromiseLike<Database> {}

/**
 * Opens a database, with an engine of its own: in memory, and empty; or as it is stored, if a storage is given.
 *
 * @throws {TypeError} at once, if an option is wrong.
 */
export function open(options?: OpenOptions): Opening

/** A storage in memory: a database that was closed is there again when it is opened with the same one. */
export function memory(): Storage

/** A database: streams by name. */
export interface Database extends AsyncDisposable {
  /** A handle on a stream. Nothing is created by it. */
  stream<F extends Fields<F> = Record<string, string>>(name: Name): Stream<F>
  /**
   * Runs any command and gives its reply as Redis would. A command with `BLOCK` waits alone.
   *
   * Commands about a connection (`SELECT`, `MULTI`, `SUBSCRIBE`, ...) are refused with a `TypeError`.
   */
  call<R = Reply>(...words: [Name, ...Value[]]): Promise<R>
  /** The same, with options. */
  call<R = Reply>(words: readonly [Name, ...Value[]], options?: CallOptions): Promise<R>
  /**
   * Runs commands as one unit, at one time, and gives a reply for each. As in Redis nothing is rolled back: the reply
   * of a command that failed is a {@link RedisError} in the array. If a command does not exist or has a wrong number
   * of words, none is run.
   */
  multi<R extends readonly MultiReply[] = MultiReply[]>(
    commands: Iterable<readonly [Name, ...Value[]]>,
    options?: { durability?: Durability | undefined },
  ): Promise<R>
  /** Reads several streams at once: first what they have, then what is added, without a gap. */
  read<F extends Fields<F> = Record<string, string>>(
    sources: Iterable<{ stream: Name | Stream<F>; after?: string | undefined }>,
    options?: ReadOptions,
  ): Iteration<{ stream: Name; entry: Entry<F> }>
  /** Everything there is, as plain data: for tools and tests. */
  inspect(): Promise<Inspection>
  /** Changes limits. */
  configure(limits: Limits): Promise<void>
  /** Resolves when everything called before is written. In memory that is at once. */
  flush(): Promise<void>
  /** Resolves when everything called before is durable. In memory that is at once. */
  sync(): Promise<void>
  /** How it is stored, and what that promises here; null if it is not stored. */
  durability(): Promise<DurabilityInfo | null>
  /**
   * Everything that is in it, at the moment at which somebody begins to read: to keep a copy, or to move it. It is held in
   * memory until it is read.
   */
  exportSnapshot(): ReadableStream<Uint8Array>
  /**
   * Restores every key of such a snapshot, and gives their number. If the stream is damaged or ends too early, that is a
   * {@link CorruptError}, and nothing is restored. A key that is there already is an error with the code `BUSYKEY`, and
   * those before it are restored, unless `replace` says that it is to be replaced.
   */
  importSnapshot(
    source: AsyncIterable<Uint8Array> | Iterable<Uint8Array> | ReadableStream<Uint8Array>,
    options?: { replace?: boolean | undefined },
  ): Promise<number>
  /** Ends the database and deletes everything that is stored of it. */
  destroy(): Promise<void>
  /**
   * Listens. `persist-error`: the storage fails, `event.error` says how; writes are refused with `MISCONF` until
   * `persist-resumed`, and nothing is lost.
   */
  addEventListener(
    type: 'persist-error' | 'persist-resumed',
    listener: ((event: PersistEvent) => void) | null,
    options?: { once?: boolean | undefined; signal?: AbortSignal | undefined },
  ): void
  /** Listens no more. */
  removeEventListener(
    type: 'persist-error' | 'persist-resumed',
    listener: ((event: PersistEvent) => void) | null,
  ): void
  /**
   * Ends the database, when everything is stored. Whoever waits is told with a {@link ClosedError}, and so is everybody
   * who calls later; closing again does nothing. Fails with a {@link StorageError} if the storage fails.
   */
  close(): Promise<void>
}

/** Something to iterate over. Leaving the loop, by `break` or by an error, ends it. */
export interface Iteration<T> extends AsyncDisposable {
  next(): Promise<IteratorResult<T, undefined>>
  return(): Promise<IteratorResult<T, undefined>>
  [Symbol.asyncIterator](): Iteration<T>
}

/** An iteration that ends by itself. */
export interface Range<T> extends Iteration<T> {
  /** Everything that is left, as an array. Faster than a loop. */
  toArray(): Promise<T[]>
}

/** How entries are added. */
export interface AddManyOptions extends TrimOptions {
  /** `*` by default; `ms-*` lets the engine choose the sequence. */
  id?: string | undefined
  /** Does not create the stream: where there is none, nothing is added. */
  noMkStream?: boolean | undefined
  /**
   * Adds an entry once, however often it is sent: entries of one producer are told apart by `id`, or without one by
   * their fields. A repeated one gets the ID that it got before.
   */
  idempotent?: { producer: Name; id?: string | undefined } | undefined
  /** What the answer waits for. By default as `fsync` says. */
  durability?: Durability | undefined
}

/** How an entry is added. */
export interface AddOptions extends AddManyOptions {
  /**
   * Adds only if this is the last ID of the stream (`0-0` if it never had an entry), else fails with the code
   * `LASTID`: nobody else was faster. Only `id` can be given together with it.
   */
  ifLastId?: string | undefined
}

/** What is removed from the beginning of a stream. */
export interface TrimOptions {
  /** Keeps so many entries. */
  maxLen?: number | undefined
  /** Keeps the entries from this ID on. */
  minId?: string | undefined
  /** Removes whole nodes only, which is faster and may keep a few more. */
  approx?: boolean | undefined
  /** Removes at most so many; with `approx`. */
  limit?: number | undefined
  /** What becomes of references in groups. `KEEPREF` by default. */
  refs?: References | undefined
}

/** Which entries are read. */
export interface RangeOptions {
  /** The first ID, `-` by default; `(ID` excludes it. */
  from?: string | undefined
  /** The last ID, `+` by default; `(ID` excludes it. */
  to?: string | undefined
  /** At most so many. */
  count?: number | undefined
  /** The newest first. */
  reverse?: boolean | undefined
  /** Ends the iteration with its reason. */
  signal?: AbortSignal | undefined
}

/** How long entries are read, and from where. */
export interface ReadOptions {
  /** Ends after so many entries. Without it the iteration waits for more for ever. */
  count?: number | undefined
  /** Ends the iteration with its reason. */
  signal?: AbortSignal | undefined
}

/** The same, for one stream. */
export interface LiveOptions extends ReadOptions {
  /**
   * The ID after which entries are read. `$`, the default, is the last ID at the time of the call; `0` is everything
   * that there is.
   */
  after?: string | undefined
}

/**
 * A stream. `F` says which fields its entries have: `database.stream<{ page: string; ms: number }>('clicks')`. It is a
 * claim, as with `JSON.parse`: nothing checks it.
 */
export interface Stream<F extends Fields<F> = Record<string, string>> {
  /** Its name. */
  readonly name: Name
  /** Appends an entry and gives its ID. `XADD`. */
  add(fields: Row<F>, options: AddOptions & { noMkStream: true }): Promise<string | null>
  add(fields: Row<F>, options?: AddOptions & { noMkStream?: false | undefined }): Promise<string>
  add(fields: Row<F>, options?: AddOptions): Promise<string | null>
  /**
   * Appends entries in order and gives their IDs. It lets other tasks run every few milliseconds, so what others
   * append meanwhile may stand between; and when it fails, the rows before are there (`RedisError.ids`).
   */
  addMany(
    rows: Iterable<Row<F>>,
    options: AddManyOptions & { noMkStream: true; signal?: AbortSignal | undefined },
  ): Promise<(string | null)[]>
  addMany(
    rows: Iterable<Row<F>>,
    options?: AddManyOptions & { noMkStream?: false | undefined; signal?: AbortSignal | undefined },
  ): Promise<string[]>
  /** Reads the entries that are there when it begins. `XRANGE`, `XREVRANGE`. */
  range(options?: RangeOptions): Range<Entry<F>>
  /** Reads what is there after an ID, then what is added, without a gap. `XREAD`. */
  read(options?: LiveOptions): Iteration<Entry<F>>
  /** The number of entries. `XLEN`. */
  length(): Promise<number>
  /** Deletes entries. `XDEL` gives their number; with `refs`, `XDELEX` says what became of each. */
  delete(
    ids: string | readonly string[],
    options: { refs: References; durability?: Durability | undefined },
  ): Promise<Deletion[]>
  delete(
    ids: string | readonly string[],
    options?: { refs?: undefined; durability?: Durability | undefined },
  ): Promise<number>
  /** Removes entries from the beginning and gives their number. `XTRIM`. */
  trim(options: TrimOptions & { durability?: Durability | undefined }): Promise<number>
  /** What there is to know. `XINFO STREAM`. */
  info(options: { full: true; count?: number | undefined }): Promise<FullStreamInfo<F>>
  info(options?: { full?: false | undefined }): Promise<StreamInfo<F>>
  /** Sets the last ID. `XSETID`. */
  setId(
    id: string,
    options?: { entriesAdded?: number | undefined; maxDeletedId?: string | undefined },
  ): Promise<void>
  /** Sets what is remembered of idempotent appends. `XCFGSET`. */
  configure(options: {
    idempotentSeconds?: number | undefined
    idempotentEntriesMax?: number | undefined
  }): Promise<void>
  /** Remembers an idempotent append that happened elsewhere. `XIDMPRECORD`. */
  recordIdempotent(producer: Name, id: Name, entryId: string): Promise<void>
  /** A consumer group, which is created where there is none. `XGROUP CREATE`. */
  group(name: Name, options?: GroupOptions): Promise<Group<F>>
  /** All groups. `XINFO GROUPS`. */
  groups(): Promise<GroupInfo[]>
  /** Removes a group with everything pending in it. False if there was none. `XGROUP DESTROY`. */
  destroyGroup(name: Name): Promise<boolean>
  /** A stream of entries, as by `read`. Nothing is fetched before somebody reads. */
  readable(options?: LiveOptions): ReadableStream<Entry<F>>
  /** A stream that appends what is written to it, as by `add`. */
  writable(options?: AddManyOptions): WritableStream<Row<F>>
}

/** How a group is created. */
export interface GroupOptions {
  /** The ID after which it reads: `0`, the default, is everything; `$` only what is added from now on. */
  from?: string | undefined
  /** Creates the stream where there is none. True by default. */
  mkStream?: boolean | undefined
  /** How many entries count as read. */
  entriesRead?: number | undefined
}

/**
 * An entry: an ID and pairs of name and value, in order, in which a name may come more than once. Iterating yields the
 * pairs. A name or value that is not valid UTF-8 is a `Uint8Array`, whatever the type says.
 */
export interface Entry<F extends Fields<F> = Record<string, string>> {
  /** Its ID, `milliseconds-sequence`. */
  readonly id: string
  /** Names and values, one after the other. It is what a clone or JSON has of an entry. */
  readonly flat: readonly string[]
  /** Names and values in order. */
  readonly pairs: [name: string, value: string][]
  /** The first value of this name. */
  get<K extends keyof F & string>(name: K): Read<F[K]> | undefined
  /** All values of this name. */
  getAll<K extends keyof F & string>(name: K): Read<F[K]>[]
  /** The first value of this name as bytes. */
  bytes(name: Name): Uint8Array<ArrayBuffer> | undefined
  /** The fields as an object without a prototype. Of a name that comes twice, the last value is kept. */
  toObject(): { [K in keyof F]: Read<F[K]> }
  [Symbol.iterator](): IterableIterator<[name: string, value: string]>
}

/** How messages are read through a group. */
export interface GroupReadOptions {
  /** Ends after so many messages. Without it the iteration waits for more for ever. */
  count?: number | undefined
  /** Takes over messages that another consumer was given so many milliseconds ago and has not acknowledged. */
  claimIdle?: number | undefined
  /** New messages count as acknowledged when they are delivered. */
  noAck?: boolean | undefined
  /** Ends the iteration with its reason. */
  signal?: AbortSignal | undefined
}

/** How a batch of messages is read. */
export interface BatchOptions extends GroupReadOptions {
  /** Waits so many milliseconds for the first one, 0 for ever. Without it a batch may be empty at once. */
  block?: number | undefined
  /** Instead of new messages: the consumer's own pending ones after this ID. */
  after?: string | undefined
}

/** A consumer group. */
export interface Group<F extends Fields<F> = Record<string, string>> {
  /** Its name. */
  readonly name: Name
  /** Its stream. */
  readonly stream: Stream<F>
  /**
   * Reads as a consumer: first what this consumer was given before and has not acknowledged, then what others
   * released or left idle, then what is new. A loop that is left, or aborted, gives back what was fetched and not yet
   * handed over. `XREADGROUP`.
   */
  read(consumer: Name, options?: GroupReadOptions): Iteration<Message<F>>
  /** Reads once: released, idle and new messages, `count` of them at most (10 if nothing is said). */
  readBatch(consumer: Name, options?: BatchOptions): Promise<Message<F>[]>
  /** Acknowledges messages and gives the number of those that were pending. `XACK`. */
  ack(ids: string | readonly string[]): Promise<number>
  /** Releases messages, so that any consumer gets them at once, and gives their number. `XNACK`. */
  nack(
    ids: string | readonly string[],
    options?: {
      mode?: NackMode | undefined
      retryCount?: number | undefined
      force?: boolean | undefined
      durability?: Durability | undefined
    },
  ): Promise<number>
  /** Acknowledges messages and deletes their entries. `XACKDEL`. */
  ackDelete(
    ids: string | readonly string[],
    options?: { refs?: References | undefined; durability?: Durability | undefined },
  ): Promise<Deletion[]>
  /** Makes pending messages those of a consumer. `XCLAIM`. */
  claim(
    consumer: Name,
    minIdle: number,
    ids: string | readonly string[],
    options: ClaimOptions & { justId: true },
  ): Promise<string[]>
  claim(
    consumer: Name,
    minIdle: number,
    ids: string | readonly string[],
    options?: ClaimOptions & { justId?: false | undefined },
  ): Promise<Message<F>[]>
  /** Makes messages that are idle those of a consumer, page by page. `XAUTOCLAIM`. */
  autoClaim(
    consumer: Name,
    minIdle: number,
    options: AutoClaimOptions & { justId: true },
  ): Promise<AutoClaimed<string>>
  autoClaim(
    consumer: Name,
    minIdle: number,
    options?: AutoClaimOptions & { justId?: false | undefined },
  ): Promise<AutoClaimed<Message<F>>>
  /** Which messages are pending. `XPENDING`. */
  pending(options: PendingOptions): Promise<PendingMessage[]>
  /** How many messages are pending. `XPENDING`. */
  pending(): Promise<PendingSummary>
  /** All consumers. `XINFO CONSUMERS`. */
  consumers(): Promise<ConsumerInfo[]>
  /** Creates a consumer. False if it was there. `XGROUP CREATECONSUMER`. */
  createConsumer(name: Name): Promise<boolean>
  /** Removes a consumer with what is pending for it, and gives the number of that. `XGROUP DELCONSUMER`. */
  deleteConsumer(name: Name): Promise<number>
  /** Sets the ID after which the group reads. `XGROUP SETID`. */
  setId(id: string, options?: { entriesRead?: number | undefined }): Promise<void>
  /** What there is to know; null if the group is gone. `XINFO GROUPS`. */
  info(): Promise<GroupInfo | null>
  /** Removes the group. False if it was gone. `XGROUP DESTROY`. */
  destroy(): Promise<boolean>
}

/** An entry that a group delivered. */
export interface Message<F extends Fields<F> = Record<string, string>> extends Entry<F> {
  /** How often it was delivered, this time included. `Infinity` after a release as `FATAL`. */
  readonly deliveries: number
  /** For how long, in milliseconds, it had been pending before. Null if nobody had it, or if it is not known. */
  readonly idle: number | null
  /** Acknowledges it. Need not be awaited. False if it was not pending any more. */
  ack(): Promise<boolean>
  /** Releases it, so that any consumer gets it at once. `FAIL` if no mode is given. Need not be awaited. */
  nack(options?: { mode?: NackMode | undefined; retryCount?: number | undefined }): Promise<boolean>
}

/** How messages are claimed. */
export interface ClaimOptions {
  /** For how long, in milliseconds, they count as pending. */
  idle?: number | undefined
  /** When they count as delivered, in milliseconds since 1970. */
  time?: number | undefined
  /** How often they count as delivered. */
  retryCount?: number | undefined
  /** Claims also what is not pending. */
  force?: boolean | undefined
  /** Gives IDs only, and does not count a delivery. */
  justId?: boolean | undefined
  /** Moves the group's place to this ID, if it is before it. */
  lastId?: string | undefined
}

/** Which idle messages are claimed. */
export interface AutoClaimOptions {
  /** The ID from which on pending messages are looked at, `0-0` by default. */
  start?: string | undefined
  /** At most so many, 100 by default. */
  count?: number | undefined
  /** Gives IDs only, and does not count a delivery. */
  justId?: boolean | undefined
}

/** A page of messages that were idle. */
export interface AutoClaimed<T> {
  /** Where the next page starts; `0-0` at the end. */
  next: string
  /** What was claimed. */
  claimed: T[]
  /** The IDs of those that had been deleted; they are not pending any more. */
  deleted: string[]
}

/** Which pending messages are listed. */
export interface PendingOptions {
  /** The first ID, `-` by default. */
  from?: string | undefined
  /** The last ID, `+` by default. */
  to?: string | undefined
  /** At most so many, 100 by default. */
  count?: number | undefined
  /** Those of this consumer only. */
  consumer?: Name | undefined
  /** Those only that have been pending for so many milliseconds. */
  minIdle?: number | undefined
}

/** A pending message. */
export interface PendingMessage {
  id: string
  /** Whose it is; null if it was released. */
  consumer: Name | null
  /** For how long it has been pending, in milliseconds; null if it was released. */
  idle: number | null
  deliveries: number
}

/** How many messages are pending. */
export interface PendingSummary {
  total: number
  minId: string | null
  maxId: string | null
  consumers: { name: Name; pending: number }[]
}

/** What `XINFO STREAM` tells. */
export interface StreamInfo<F extends Fields<F> = Record<string, string>> extends StreamCounts {
  groups: number
  firstEntry: Entry<F> | null
  lastEntry: Entry<F> | null
}

/** What both forms of `XINFO STREAM` tell. */
export interface StreamCounts {
  length: number
  radixTreeKeys: number
  radixTreeNodes: number
  lastGeneratedId: string
  maxDeletedEntryId: string
  entriesAdded: number
  recordedFirstEntryId: string
  idmpDuration: number
  idmpMaxsize: number
  pidsTracked: number
  iidsTracked: number
  iidsAdded: number
  iidsDuplicates: number
}

/** What `XINFO STREAM FULL` tells. */
export interface FullStreamInfo<F extends Fields<F> = Record<string, string>> extends StreamCounts {
  entries: Entry<F>[]
  groups: FullGroupInfo[]
}

/** A group in `XINFO STREAM FULL`. Times are in milliseconds since 1970. */
export interface FullGroupInfo {
  name: Name
  lastDeliveredId: string
  entriesRead: number | null
  lag: number | null
  pelCount: number
  nackedCount: number
  pending: { id: string; consumer: Name | null; deliveredAt: number | null; deliveries: number }[]
  consumers: {
    name: Name
    seenTime: number
    activeTime: number | null
    pelCount: number
    pending: { id: string; deliveredAt: number; deliveries: number }[]
  }[]
}

/** What `XINFO GROUPS` tells. */
export interface GroupInfo {
  name: Name
  consumers: number
  pending: number
  lastDeliveredId: string
  entriesRead: number | null
  /** How many entries it has not read yet; null if that cannot be known. */
  lag: number | null
}

/** What `XINFO CONSUMERS` tells. Times are in milliseconds. */
export interface ConsumerInfo {
  name: Name
  pending: number
  /** Since it last tried to read. */
  idle: number
  /** Since it last got something; null if never. */
  inactive: number | null
}

/** Everything there is, as plain data. */
export interface Inspection {
  memoryBytes: number
  waitingReaders: number
  changes: number
  expiredKeys: number
  streams: InspectedStream[]
}

/** A stream in an inspection: of pending messages only the first of each list is there. */
export interface InspectedStream extends StreamCounts {
  name: Name
  groups: FullGroupInfo[]
}

/** An error reply. */
export class RedisError extends Error {
  /** The first word: `ERR`, `WRONGTYPE`, `NOGROUP`, `OOM`, ... */
  readonly code: string
  /** After `addMany`: the IDs of the rows that were added before. */
  readonly ids?: string[]
}

/** The database was closed. */
export class ClosedError extends Error {}

/**
 * The engine failed, and its state may be half changed: this database cannot be used any more. `cause` says why. If it is
 * stored, it is made anew instead, unless it fails again and again.
 */
export class EngineError extends Error {}

/** How a database is stored. Positions count the commands that changed something. */
export interface DurabilityInfo extends StorageDescription {
  /** Where. */
  storage: string
  /** Up to where everything has happened, is written, and is durable. */
  applied: number
  written: number
  durable: number
  /** The bytes that are not written yet. */
  unwrittenBytes: number
  /** How often this database was opened. */
  epoch: number
  /** The log behind the last snapshot. */
  logChunks: number
  logBytes: number
  /** How many snapshots were finished since it was opened, when the last one was, and its bytes. */
  snapshots: number
  snapshotMs: number
  snapshotBytes: number
  /** Whether anything was ever lost of it. */
  isLossy: boolean
  /** Whether it had been closed before it was opened. */
  wasClean: boolean
  /**
   * Whether the storage is still being made safe after an end that was not clean. In Chromium another such end before it is
   * done may cost the whole database.
   */
  isHealing: boolean
  /** What a torn append, which nobody was told of, had left at the end. */
  tornBytes: number
  /** What was lost, with consent, when it was opened. */
  losses: string[]
}

/** The storage fails, or works again. */
export interface PersistEvent extends Event {
  readonly error: StorageError | undefined
}

/** A database cannot be stored, or what is stored cannot be read. `cause` is what the storage said. */
export class StorageError extends Error {}

/** What is stored is damaged. Nothing was changed. */
export class CorruptError extends StorageError {}

/** Less is stored than was known to be durable. Nothing was changed. */
export class DataLossError extends StorageError {}

/**
 * The engine failed and is made anew from what is stored. What was called and not answered may have happened or not;
 * readers that wait go on waiting.
 */
export class EngineRestartedError extends StorageError {}

/** Another owner has taken over. */
export class FencedError extends StorageError {}

/** A newer version has written what is stored. Nothing was changed. */
export class FormatTooNewError extends StorageError {}

/** Another one has it open. */
export class LockedError extends StorageError {}

/** There is no room to open it. */
export class StorageFullError extends StorageError {}

/** More waits to be stored than is kept in memory: the command did nothing, and may be run again later. */
export class StorageBusyError extends RedisError {}
