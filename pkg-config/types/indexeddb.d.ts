import type { Storage } from './storage.js'

/** A database in IndexedDB. */
export interface IndexedDbStorage extends Pick<Storage, 'name' | 'describe' | 'destroy'> {
  /** What it is called. */
  readonly indexedDb: string
}

/**
 * The database of this name in IndexedDB, for pages and Workers: `open({ storage: indexedDb('events') })`. One tab at a
 * time has it open.
 *
 * `describe()` asks the browser whether it has promised to keep what is stored. `navigator.storage.persist()` asks for that.
 */
export function indexedDb(name: string): IndexedDbStorage
