// A storage with switches: what fails, when, and what becomes of what was stored.
//
// *Design.* It stands in front of any storage. A fault is taken from a list, where the first that fits counts. For a power
// cut it keeps, beside the storage, what was made durable: batches wait until a durable one behind them succeeds, and are
// then written into a storage in memory. Losing means that the storage is destroyed and filled from that.
//
// *Why not a storage of its own.* Whoever has written a storage wants to see that one fail.
//
// *Invariant.* What is kept as durable is a state that the storage was in.

import type { Awaitable, Storage, StorageBatch, StorageConnection } from '../../types/storage.js'
import type { Fault, FaultyStorage, Operation, StoredValue } from '../../types/testing.js'
import { gone } from '../failures.js'
import { memory } from '../memory.js'
import { NOTHING } from './probe.js'

const OPERATIONS: Operation[] = [
  ...(['lock', 'open', 'readManifest', 'readEpoch', 'listLog', 'readLog'] as const),
  ...(['listParts', 'readParts', 'write', 'sync', 'readWitness', 'writeWitness'] as const),
]

const LATE = new Set<Fault['with']>(['hang', 'slow'])
const WITHOUT_DESTROY = 'this needs a storage that can be destroyed'

/** A fault that was injected. */
interface Injected {
  operation: Operation
  fault: Fault
  skip: number
  times: number
}

function isPromise<T>(value: Awaitable<T>): value is PromiseLike<T> {
  return typeof (value as PromiseLike<T> | null)?.then === 'function'
}

/** Goes on with an answer, whether it is there or comes later. */
function after<T, U>(value: Awaitable<T>, next: (value: T) => U): Awaitable<U> {
  return isPromise(value) ? value.then(next) : next(value)
}

/** The error that a fault is told with. */
function errorOf({ with: kind }: Fault): Error {
  if (kind === 'closed') return gone('a test has closed it')
  const error = new Error(kind === 'quota' ? 'there is no room, says a test' : 'it failed, says a test')
  if (kind === 'quota') error.name = 'QuotaExceededError'
  return error
}

/** Wraps a storage; see types/testing.d.ts. */
export function faults(storage: Storage, options: { sync?: false | undefined } = {}): FaultyStorage {
  const answersAtOnce = storage.sync === true && options.sync !== false
  const counts = Object.fromEntries(OPERATIONS.map((operation) => [operation, 0])) as Record<Operation, number>
  let injected: Injected[] = []
  let current: StorageConnection | undefined
  // What would be there after a power cut, and what is not durable yet, in order.
  let disk = diskOf()
  let waiting: StorageBatch[] = []

  const next = (operations: Operation[]): Fault | undefined => {
    for (const one of injected) {
      if (!operations.includes(one.operation) || one.times <= 0) continue
      if (one.skip-- > 0) continue
      one.times--
      return one.fault
    }
    return undefined
  }

  /** Does something, unless it is to fail. */
  const act = <T>(operations: Operation[], run: () => Awaitable<T>, close?: () => void): Awaitable<T> => {
    for (const operation of operations) counts[operation]++
    const fault = next(operations)
    if (fault === undefined) return run()
    const isDone = fault.landed === true || fault.with === 'slow'
    const answer = isDone ? run() : undefined
    if (fault.with === 'hang') return new Promise(() => {})
    if (fault.with === 'slow') {
      const time = new Promise((done) => setTimeout(done, fault.ms ?? 0))
      return Promise.all([answer as Awaitable<T>, time]).then(([value]) => value)
    }
    return after(answer, () => {
      if (fault.with === 'closed') close?.()
      throw errorOf(fault)
    })
  }

  /** The same, and later, if that is wanted. */
  const later = <T>(run: () => Awaitable<T>): Awaitable<T> => {
    if (answersAtOnce || options.sync !== false) return run()
    return new Promise<T>((done) => done(run()))
  }

  const store = (connection: StorageConnection, batch: StorageBatch): Awaitable<void> => {
    waiting.push(batch)
    const stored = () => {
      if (!batch.durable) return
      const upto = waiting.indexOf(batch) + 1
      for (const one of waiting.splice(0, upto)) void disk.write(one)
    }
    const failed = (error: unknown): never => {
      waiting = waiting.filter((one) => one !== batch)
      throw error
    }
    let answer
    try {
      answer = connection.write(batch)
    } catch (error) {
      return failed(error)
    }
    return isPromise(answer) ? answer.then(stored, failed) : stored()
  }

  const connect = (connection: StorageConnection): StorageConnection => {
    let isDead = false
    const close = () => {
      isDead = true
    }
    const ask = <T>(operations: Operation[], run: () => Awaitable<T>) =>
      later(() => {
        if (isDead) throw gone('a test has closed it')
        return act(operations, run, close)
      })
    current = connection
    return {
      readManifest: () => ask(['readManifest'], () => connection.readManifest()),
      readEpoch: () => ask(['readEpoch'], () => connection.readEpoch()),
      listLog: () => ask(['listLog'], () => connection.listLog()),
      readLog: (from, bytesMax) => ask(['readLog'], () => connection.readLog(from, bytesMax)),
      listParts: () => ask(['listParts'], () => connection.listParts()),
      readParts: (ids) => ask(['readParts'], () => connection.readParts(ids)),
      write: (batch) => ask(batch.durable ? ['write', 'sync'] : ['write'], () => store(connection, batch)),
      close: () => connection.close(),
    }
  }

  /** Destroys everything but the witness. */
  const clear = async () => {
    if (storage.destroy === undefined) throw new TypeError(WITHOUT_DESTROY)
    current?.close()
    const witness = (await storage.readWitness?.()) ?? null
    await storage.destroy()
    if (witness !== null) await storage.writeWitness!(witness)
    disk = diskOf()
    waiting = []
  }

  /** Changes what is stored, as its owner would. What is there then is durable. */
  const edit = async (change: (connection: StorageConnection) => Promise<Partial<StorageBatch>[]>) => {
    current?.close()
    const connection = await storage.open({ newSegment: false, readOnly: false })
    try {
      const epoch = await connection.readEpoch()
      for (const batch of await change(connection)) {
        await store(connection, { ...NOTHING, epoch, durable: true, ...batch })
      }
    } finally {
      connection.close()
    }
  }

  return {
    name: `faults(${storage.name})`,
    sync: answersAtOnce,
    canTear: storage.canTear,
    losesOnFailedSync: storage.losesOnFailedSync,
    valueBytesMax: storage.valueBytesMax,
    counts,

    inject(operation, fault) {
      if (answersAtOnce && LATE.has(fault.with)) {
        throw new TypeError('a storage that answers at once cannot be late: say faults(storage, { sync: false })')
      }
      injected.push({ operation, fault, skip: fault.skip ?? 0, times: fault.times ?? 1 })
    },
    heal() {
      injected = []
    },

    async lose() {
      const durable = everythingIn(disk)
      await clear()
      await edit(async () => [durable])
    },
    erase: clear,
    flip: (value, bit) =>
      edit(async (connection) => {
        const bytes = await valueIn(connection, value)
        bytes[bit >> 3]! ^= 1 << (bit & 7)
        if (value === 'manifest') return [{ manifest: bytes }]
        return ['chunk' in value ? { chunks: [[value.chunk, bytes]] } : { parts: [[value.part, bytes]] }]
      }),
    hole: (sequence) =>
      edit(async (connection) => {
        const behind = chunksIn(await connection.readLog(sequence + 1, Infinity))
        return [{ deleteLogFrom: sequence }, { chunks: behind }]
      }),
    tear: (bytes) =>
      edit(async (connection) => {
        const bounds = await connection.listLog()
        if (bounds === null) throw new RangeError('the log is empty')
        const [, last] = bounds
        return [{ chunks: [[last, (await valueIn(connection, { chunk: last })).slice(0, bytes)]] }]
      }),

    ...(storage.lock && { lock: (how) => later(() => act(['lock'], () => storage.lock!(how))) }),
    open: (how) => later(() => act(['open'], () => after(storage.open(how), connect))),
    ...(storage.readWitness && {
      readWitness: () => later(() => act(['readWitness'], () => storage.readWitness!())),
    }),
    ...(storage.writeWitness && {
      writeWitness: (bytes) => later(() => act(['writeWitness'], () => storage.writeWitness!(bytes))),
    }),
    ...(storage.destroy && {
      destroy() {
        waiting = []
        disk = diskOf()
        return storage.destroy!()
      },
    }),
    ...(storage.describe && { describe: () => storage.describe!() }),
  }
}

/** What is durable. */
function diskOf(): StorageConnection {
  return memory().open({ newSegment: false, readOnly: false }) as StorageConnection
}

type Values = (readonly [number, Uint8Array])[]

function chunksIn(page: Awaited<ReturnType<StorageConnection['readLog']>>): Values {
  return page.filter((one): one is [number, Uint8Array] => one[1] instanceof Uint8Array)
}

/** All that is durable as one batch. A storage in memory answers at once. */
function everythingIn(disk: StorageConnection): Partial<StorageBatch> {
  const epoch = disk.readEpoch() as number
  const ids = disk.listParts() as readonly number[]
  const values = disk.readParts(ids) as readonly Uint8Array[]
  const parts = ids.map((id, at) => [id, values[at]!] as const)
  const chunks = chunksIn(disk.readLog(0, Infinity) as Awaited<ReturnType<StorageConnection['readLog']>>)
  return { epoch, claim: epoch > 0, parts, chunks, manifest: disk.readManifest() as Uint8Array | null }
}

/** A copy of a value, which has to be there. */
async function valueIn(connection: StorageConnection, value: StoredValue): Promise<Uint8Array> {
  let bytes
  if (value === 'manifest') bytes = await connection.readManifest()
  else if ('part' in value) bytes = (await connection.readParts([value.part]))[0]
  else bytes = (await connection.readLog(value.chunk, 0)).find(([sequence]) => sequence === value.chunk)?.[1]
  if (!(bytes instanceof Uint8Array)) throw new RangeError(`there is no such value: ${JSON.stringify(value)}`)
  return bytes.slice()
}
