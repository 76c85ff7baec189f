import type { Awaitable, Storage } from './storage.js'

export type { Awaitable, Storage }

/** A place for a storage, empty and not used by anybody else, in which one check is made. */
export interface StoragePlace {
  readonly storage: Storage
  /**
   * Another storage for the same place, as another process or tab has it. Without it, what needs two at a time is not
   * checked.
   */
  again?(): Storage
  /** Ends whoever uses the place, without closing anything, and gives what the next one finds. */
  crash?(): Awaitable<Storage>
  /** Clears up. */
  dispose?(): Awaitable<void>
}

/** One check of a storage, for a framework to run. */
export interface StorageCheck {
  readonly name: string
  run(): Promise<void>
}

/** How a storage is checked. */
export interface CheckOptions {
  /** Where the random numbers begin. The same seed makes the same histories. 1 by default. */
  seed?: number | undefined
  /** How many random histories. 20 by default. */
  histories?: number | undefined
  /** How many steps a history has. 200 by default. */
  steps?: number | undefined
}

/** All checks. Iterating gives them one by one; awaiting runs them all. */
export interface StorageChecks extends Iterable<StorageCheck>, PromiseLike<void> {}

/**
 * Checks whether a storage keeps to {@link Storage}, in all that a program can find out without cutting the power.
 *
 * With a framework: `for (const { name, run } of checkStorage(make)) test(name, run)`. Without one:
 * `await checkStorage(make)` runs all checks, one after the other, and throws an `AggregateError` that names those that
 * failed.
 *
 * @param make makes an empty place for each check.
 */
export function checkStorage(make: () => Awaitable<StoragePlace>, options?: CheckOptions): StorageChecks

/** What a storage is asked for. `sync` is a durable batch, which is a `write` as well. */
export type Operation =
  | 'lock'
  | 'open'
  | 'readManifest'
  | 'readEpoch'
  | 'listLog'
  | 'readLog'
  | 'listParts'
  | 'readParts'
  | 'write'
  | 'sync'
  | 'readWitness'
  | 'writeWitness'

/** How an operation fails. */
export interface Fault {
  /**
   * `io`: reading or writing failed. `quota`: there is no room. `closed`: the connection is gone, for everything until it
   * is opened again. `hang`: there is never an answer. `slow`: it takes `ms` longer.
   */
  with: 'io' | 'quota' | 'closed' | 'hang' | 'slow'
  /** How many times it goes well before. 0 by default. */
  skip?: number | undefined
  /** How many times it fails. 1 by default; `Infinity` is until `heal()`. */
  times?: number | undefined
  /** Whether it is done all the same, and only the answer is lost. */
  landed?: boolean | undefined
  /** By how much it is slow, in milliseconds. */
  ms?: number | undefined
}

/** A value in a storage. */
export type StoredValue = { chunk: number } | { part: number } | 'manifest'

/** A storage with switches. Whatever changes what is stored is for when nobody has it open. */
export interface FaultyStorage extends Storage {
  /** How often each operation was asked for. */
  readonly counts: Readonly<Record<Operation, number>>
  /** Lets an operation fail from now on. Of several faults the one that was injected first counts. */
  inject(operation: Operation, fault: Fault): void
  /** Takes all faults back. */
  heal(): void
  /** A power cut: what was not made durable through this object is gone. It needs `destroy`. */
  lose(): Promise<void>
  /** Everything is gone but the witness. It needs `destroy`. */
  erase(): Promise<void>
  /** Flips a bit of a value. */
  flip(value: StoredValue, bit: number): Promise<void>
  /** A chunk is gone from the middle of the log. */
  hole(sequence: number): Promise<void>
  /** Only so many bytes of the last chunk are there. */
  tear(bytes: number): Promise<void>
}

/**
 * Wraps a storage, so that it fails when it is told to. One that answers at once does so still, and then cannot `hang` or be
 * `slow`, unless `sync` is false.
 */
export function faults(storage: Storage, options?: { sync?: false | undefined }): FaultyStorage

/** Makes a storage in memory, the same as `memory` of `brooklet`: for `faults(memory())`. */
export function memory(): Storage

/** A clock that somebody moves: for `open({ clock })`. */
export interface VirtualClock {
  /** The time in milliseconds since 1970. */
  (): number
  /** Lets so many milliseconds pass. */
  advance(ms: number): void
  /** Sets the time, which may go back. */
  set(ms: number): void
}

/** Makes a clock that stands still until it is moved. After it moved, the next call of a database lets that time pass. */
export function virtualClock(startMs?: number): VirtualClock
