/** A value, or a promise of it. */
export type Awaitable<T> = T | PromiseLike<T>

/**
 * A place where a database is stored. It moves bytes and knows nothing of streams. `brooklet`, `brooklet/indexeddb` and
 * `brooklet/node` have storages; anybody can write another one, and `checkStorage` of `brooklet/testing` tells whether it
 * keeps to what is said here.
 *
 * Whatever fails is told by throwing or rejecting. Four names of errors are understood; all others mean that reading or
 * writing failed, and are tried again:
 *
 * - `FencedError`: a newer epoch was claimed. The owner stops.
 * - `LockedError`: another one holds the lock.
 * - `QuotaExceededError`, or the code `ENOSPC` or `EDQUOT`: there is no room.
 * - `InvalidStateError`: the connection is gone. It is opened again.
 */
export interface Storage {
  /** What it is, for messages: `files:./data`. */
  readonly name: string
  /**
   * Whether its methods, `lock` and `destroy` aside, answer at once and never with a promise. Then what a call has done is written before it returns,
   * in the same task.
   */
  readonly sync?: boolean | undefined
  /** Whether the end of the process may leave the last batch half stored, as in a file that is appended to. */
  readonly canTear?: boolean | undefined
  /** Whether a durable batch that fails may take with it what was written before, as `fsync` of a file does. */
  readonly losesOnFailedSync?: boolean | undefined
  /** The largest value in bytes that it takes well. 60,000 unless said. */
  readonly valueBytesMax?: number | undefined
  /**
   * Becomes the only one to open it, and gives what lets go of that. `wait` is for how many milliseconds to wait if
   * another one holds it (0: not at all, `Infinity`: for ever); `steal` takes it from him. Without this method there is
   * no lock: the fence is what everything rests on.
   */
  lock?(how: { wait: number; steal: boolean }): Awaitable<() => void>
  /**
   * Opens a connection. The one before was closed, or is to be given up: what was asked for on it must not happen any
   * more after this. `newSegment`: from now on chunks go where a failed sync has never been, and one that is there
   * replaces one with the same sequence elsewhere. `readOnly`: nothing will be written, and nothing is to be created. Each
   * object has one connection: whoever looks while another one has it open needs an object of his own.
   */
  open(how: { newSegment: boolean; readOnly: boolean }): Awaitable<StorageConnection>
  /** What was noted last with `writeWitness`; null if nothing was. */
  readWitness?(): Awaitable<Uint8Array | null>
  /** Notes a few bytes in a place that does not die with the rest. */
  writeWitness?(bytes: Uint8Array): Awaitable<void>
  /** Deletes everything, the witness too. Nobody has it open. */
  destroy?(): Awaitable<void>
  /** What this storage can promise, and how much room there is. */
  describe?(): Awaitable<StorageDescription>
}

/** What a storage says about itself, as far as it knows. */
export interface StorageDescription {
  /** Whether the platform has promised not to delete it by itself. */
  persisted?: boolean | undefined
  /** The bytes that everything of this origin or on this disk may take, and takes. */
  quota?: number | undefined
  usage?: number | undefined
}

/** A value that is stored; null if there is none, `'unreadable'` if there is one and it cannot be read. */
export type StoredBytes = Uint8Array | null | 'unreadable'

/**
 * A connection to a storage. Several methods may be under way at a time; batches happen in the order of their calls. After
 * it was closed or given up, all of them fail with an `InvalidStateError`.
 */
export interface StorageConnection {
  /** The manifest. */
  readManifest(): Awaitable<StoredBytes>
  /** The newest epoch that was ever claimed; 0 if there is none. */
  readEpoch(): Awaitable<number>
  /** The first and the last sequence in the log; null if it is empty. */
  listLog(): Awaitable<readonly [first: number, last: number] | null>
  /**
   * Chunks from this sequence on, in order: one at least if there is one, and then about as many as have `bytesMax` bytes.
   * Only an empty array is the end of the log. With `bytesMax` 0 it is one chunk, read by its own key.
   */
  readLog(from: number, bytesMax: number): Awaitable<readonly (readonly [sequence: number, bytes: StoredBytes])[]>
  /** The IDs of all parts, in any order. */
  listParts(): Awaitable<readonly number[]>
  /** The parts with these IDs, in this order. */
  readParts(ids: readonly number[]): Awaitable<readonly StoredBytes[]>
  /**
   * Stores and deletes what the batch says, as a whole or not at all, in the order of its fields. It fails with a
   * `FencedError`, and nothing is stored, if an epoch above that of the batch was claimed. What was stored without an
   * error is there for whoever claims later. The bytes belong to the storage now.
   */
  write(batch: StorageBatch): Awaitable<void>
  /** Lets go of everything. What is under way may happen or not. */
  close(): void
}

/** What is stored and deleted as a whole. */
export interface StorageBatch {
  /** The epoch of the owner. */
  readonly epoch: number
  /** Whether this claims the epoch: then it has to be above all that were claimed, or it is a `FencedError`. */
  readonly claim: boolean
  /** Whether it has to survive the loss of power, and everything before it with it. */
  readonly durable: boolean
  /** Parts by their IDs. */
  readonly parts: readonly (readonly [id: number, bytes: Uint8Array])[]
  /** Chunks by their sequences, in order. One that is there is replaced. */
  readonly chunks: readonly (readonly [sequence: number, bytes: Uint8Array])[]
  /** The manifest, in place of the one before. */
  readonly manifest: Uint8Array | null
  /** This chunk and all before it are deleted. */
  readonly deleteLogUpto: number | null
  /** This chunk and all behind it are deleted. */
  readonly deleteLogFrom: number | null
  /**
   * This chunk and all behind it go from the log into quarantine, as they are: a place that is never read here. What
   * cannot be read cannot be moved, and is deleted.
   */
  readonly quarantineFrom: number | null
  /** The IDs of parts to delete, as far as they are there. */
  readonly deleteParts: readonly number[]
}
