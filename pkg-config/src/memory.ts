// A storage in memory: everything is as in any other, as long as this process lives.
//
// *Design.* A storage is the object that `memory()` gives: a database that was closed is there again when it is opened
// with the same object. A batch looks at the epoch first; behind that nothing can fail, so a batch is whole or not at
// all. What is given and what is stored are never the same bytes.
//
// *Why its lock does not wait.* A storage that answers at once cannot: whoever waits for a lock that is held in the same
// process would wait for himself.
//
// *Invariants*
// 1. No method gives a promise.
// 2. At most one connection is alive, the one that was opened last.
//
// Limits of time or room there are none. For failures see `faults` of `brooklet/testing`.

import type { Storage, StorageBatch, StorageConnection, StoredBytes } from '../types/storage.js'
import { fenced, gone, locked } from './failures.js'

/** Makes a storage in memory. */
export function memory(): Storage {
  let epoch = 0
  let manifest: Uint8Array | null = null
  let witness: Uint8Array | null = null
  let holder: object | undefined
  let alive: object | undefined
  const chunks = new Map<number, Uint8Array>()
  const parts = new Map<number, Uint8Array>()

  const copy = (bytes: Uint8Array | null | undefined): Uint8Array | null => bytes?.slice() ?? null
  const sequences = () => [...chunks.keys()].sort((one, other) => one - other)
  const deleteChunks = (isOver: (sequence: number) => boolean) => {
    for (const sequence of chunks.keys()) if (isOver(sequence)) chunks.delete(sequence)
  }

  const store = (batch: StorageBatch, isReadOnly: boolean) => {
    if (isReadOnly) throw new TypeError('the storage was opened to read only')
    if (batch.claim ? batch.epoch <= epoch : batch.epoch < epoch) throw fenced(batch.epoch, epoch)
    const { deleteLogUpto: upto, deleteLogFrom, quarantineFrom } = batch
    if (batch.claim) epoch = batch.epoch
    for (const [id, bytes] of batch.parts) parts.set(id, bytes.slice())
    for (const [sequence, bytes] of batch.chunks) chunks.set(sequence, bytes.slice())
    if (batch.manifest) manifest = batch.manifest.slice()
    if (upto !== null) deleteChunks((sequence) => sequence <= upto)
    // Nobody can look into a quarantine in memory, so there is none.
    for (const from of [deleteLogFrom, quarantineFrom]) {
      if (from !== null) deleteChunks((sequence) => sequence >= from)
    }
    for (const id of batch.deleteParts) parts.delete(id)
  }

  const connect = (isReadOnly: boolean): StorageConnection => {
    const me = {}
    alive = me
    const still = <T>(value: () => T): T => {
      if (alive !== me) throw gone('it was closed')
      return value()
    }
    return {
      readManifest: () => still(() => copy(manifest)),
      readEpoch: () => still(() => epoch),
      listLog: () =>
        still(() => {
          const all = sequences()
          return all.length > 0 ? [all[0]!, all.at(-1)!] : null
        }),
      readLog: (from, bytesMax) =>
        still(() => {
          const page: [number, StoredBytes][] = []
          let bytes = 0
          for (const sequence of sequences()) {
            if (sequence < from) continue
            const chunk = chunks.get(sequence)!
            page.push([sequence, chunk.slice()])
            bytes += chunk.length
            if (bytes >= bytesMax) break
          }
          return page
        }),
      listParts: () => still(() => [...parts.keys()]),
      readParts: (ids) => still(() => ids.map((id) => copy(parts.get(id)))),
      write: (batch) => still(() => store(batch, isReadOnly)),
      close() {
        if (alive === me) alive = undefined
      },
    }
  }

  return {
    name: 'memory',
    sync: true,
    valueBytesMax: 1 << 20,
    lock({ steal }) {
      if (holder !== undefined && !steal) {
        throw locked('this memory() is open already: close it there, or take it over with `steal`')
      }
      const me = {}
      holder = me
      return () => {
        if (holder === me) holder = undefined
      }
    },
    open: ({ readOnly }) => connect(readOnly),
    readWitness: () => copy(witness),
    writeWitness(bytes) {
      witness = bytes.slice()
    },
    destroy() {
      epoch = 0
      manifest = witness = null
      chunks.clear()
      parts.clear()
    },
  }
}
