// A storage as checks use it: every answer is awaited, and looked at for what no answer may be.

import type {
  Awaitable,
  Storage,
  StorageBatch,
  StorageConnection,
  StorageDescription,
  StoredBytes,
} from '../../types/storage.js'

/** A batch that does nothing. */
export const NOTHING: StorageBatch = {
  epoch: 1,
  claim: false,
  durable: false,
  parts: [],
  chunks: [],
  manifest: null,
  deleteLogUpto: null,
  deleteLogFrom: null,
  quarantineFrom: null,
  deleteParts: [],
}

/** Fails with this sentence unless something is so. */
export function ensure(isSo: unknown, sentence: string): asserts isSo {
  if (!isSo) throw new Error(sentence)
}

/** Fails unless both are the same. */
export function ensureSame(found: unknown, expected: unknown, what: string): void {
  const texts = [found, expected].map((value) => describe(value))
  ensure(texts[0] === texts[1], `${what}: ${texts[0]} instead of ${texts[1]}`)
}

/** Bytes that tell from where they are. */
export function filled(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (seed * 31 + at * 7 + (at >> 8)) & 255)
}

/** Some bytes of a few. */
export function few(...bytes: number[]): Uint8Array {
  return Uint8Array.from(bytes)
}

/** The name of the error with which something fails; undefined if it does not. */
export async function failureOf(run: () => unknown): Promise<string | undefined> {
  try {
    await run()
    return undefined
  } catch (error) {
    return (error as Error).name
  }
}

/** A storage that is being checked. */
export class Probe {
  storage: Storage

  constructor(storage: Storage) {
    this.storage = storage
  }

  /** Waits for an answer. A storage that says that it answers at once has to. */
  async answer<T>(value: Awaitable<T>): Promise<T> {
    const isLate = typeof (value as PromiseLike<T> | null)?.then === 'function'
    ensure(!isLate || this.storage.sync !== true, 'it says that it answers at once, and gives a promise')
    return value
  }

  async open(how: { readOnly?: boolean; newSegment?: boolean } = {}): Promise<Session> {
    const connection = await this.answer(this.storage.open({ newSegment: false, readOnly: false, ...how }))
    return new Session(this, connection)
  }

  /** Opens it and claims an epoch. */
  async own(epoch = 1): Promise<Session> {
    const session = await this.open()
    await session.write({ epoch, claim: true, durable: true })
    return session
  }

  async lock(how: { wait?: number; steal?: boolean } = {}): Promise<() => void> {
    const letGo = await this.answer(this.storage.lock!({ wait: 0, steal: false, ...how }))
    ensure(typeof letGo === 'function', 'lock() does not give a function that lets go')
    return letGo
  }

  async describe(): Promise<StorageDescription> {
    return this.answer(this.storage.describe!())
  }
}

/** Everything that a connection shows. */
export interface Contents {
  epoch: number
  manifest: StoredBytes
  bounds: readonly [number, number] | null
  chunks: (readonly [number, StoredBytes])[]
  parts: (readonly [number, StoredBytes])[]
}

/** A connection that is being checked. */
export class Session {
  probe: Probe
  connection: StorageConnection

  constructor(probe: Probe, connection: StorageConnection) {
    this.probe = probe
    this.connection = connection
  }

  async write(batch: Partial<StorageBatch>): Promise<void> {
    const answer = await this.probe.answer(this.connection.write({ ...NOTHING, ...batch }))
    ensure(answer === undefined, 'write() gives something')
  }

  /** All chunks from a sequence on. */
  async chunks(from = 0, bytesMax = 1000): Promise<(readonly [number, StoredBytes])[]> {
    const all: (readonly [number, StoredBytes])[] = []
    for (let next = from; ; next = all.at(-1)![0] + 1) {
      const page = await this.probe.answer(this.connection.readLog(next, bytesMax))
      if (page.length === 0) return all
      ensure(page[0]![0] >= next, `readLog(${next}) gives chunk ${page[0]![0]}`)
      all.push(...page)
    }
  }

  async sequences(): Promise<number[]> {
    return (await this.chunks()).map(([sequence]) => sequence)
  }

  async parts(ids: readonly number[]): Promise<readonly StoredBytes[]> {
    return this.probe.answer(this.connection.readParts(ids))
  }

  async contents(): Promise<Contents> {
    const { probe, connection } = this
    const ids = [...(await probe.answer(connection.listParts()))].sort((one, other) => one - other)
    const values = await this.parts(ids)
    return {
      epoch: await probe.answer(connection.readEpoch()),
      manifest: await probe.answer(connection.readManifest()),
      bounds: await probe.answer(connection.listLog()),
      chunks: await this.chunks(),
      parts: ids.map((id, at) => [id, values[at]!] as const),
    }
  }

  close(): void {
    this.connection.close()
  }
}

/** A value in a few words: long bytes as their length and a checksum. */
function describe(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) => {
    if (!ArrayBuffer.isView(one)) return one
    const bytes = one as Uint8Array
    if (bytes.length <= 8) return `<${[...bytes].join(' ')}>`
    let hash = 0
    for (const byte of bytes) hash = (Math.imul(hash, 31) + byte) | 0
    return `<${bytes.length} bytes, ${hash}>`
  })
}
