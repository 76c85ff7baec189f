// The storage of browsers. It is part of the engine's module (web/src/indexed_db/): here is its name, and what JavaScript
// does better.
//
// *Why not an adapter in JavaScript.* Applications in Rust have the same one.

import type { IndexedDbStorage } from '../types/indexeddb.js'
import type { StorageDescription } from '../types/storage.js'

/** The database of this name in IndexedDB. */
export function indexedDb(name: string): IndexedDbStorage {
  if (typeof name !== 'string' || name === '') throw new TypeError('name must be a string that is not empty')
  return {
    name: `indexeddb:${name}`,
    indexedDb: name,
    describe,
    destroy: () => destroy(name),
  }
}

async function describe(): Promise<StorageDescription> {
  const { storage } = navigator
  const [estimate, persisted] = [await storage?.estimate?.(), await storage?.persisted?.()]
  return { quota: estimate?.quota, usage: estimate?.usage, persisted }
}

/** Deletes the database and its witness; web/src/indexed_db/ has the names. */
async function destroy(name: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const request = indexedDB.deleteDatabase(`brooklet:${name}`)
    request.onsuccess = () => resolve()
    request.onerror = () => reject(request.error)
  })
  const file = `brooklet-${encodeURIComponent(name)}.witness`
  // Where there is no such place, there is nothing in it.
  const witnesses = [
    async () => (await navigator.storage.getDirectory()).removeEntry(file),
    async () => (await caches.open('brooklet')).delete(`https://brooklet.invalid/${encodeURIComponent(name)}.witness`),
  ]
  for (const remove of witnesses) await remove().catch(() => {})
}
