// Opening: options, the module, an instance, what is stored.

import type { OpenOptions } from '../types/index.js'
import { OpeningDatabase } from './database.js'
import { Door, LIMITS } from './door.js'
import { Engine } from './engine.js'
import { read, refuse } from './options.js'
import { Stored } from './stored.js'

/** What only a database has that is stored. */
const STORAGE_OPTIONS = 'fsync readOnly wait steal onCorruption onDataLoss'

// How the door takes them; wasm/src/options.rs has the list.
const ALWAYS = 1
const NEVER = 2
const READ_ONLY = 4
const SALVAGE = 8
const ACCEPT = 16
const STEAL = 32

/** Opens a database with the module that `load` gets. */
export function openWith(given: OpenOptions | undefined, load: () => Promise<WebAssembly.Module>): OpeningDatabase {
  const { clock, storage, fsync, readOnly, wait, steal, onCorruption, onDataLoss, ...limits } = read(
    `${LIMITS} clock storage ${STORAGE_OPTIONS}`,
    given,
  )
  const loaded = load()
  if (storage === undefined) {
    const [other] = STORAGE_OPTIONS.split(' ').filter((name) => given?.[name as keyof OpenOptions] !== undefined)
    if (other !== undefined) refuse(`${other} without a storage`, 'left out', given![other as keyof OpenOptions])
    return new OpeningDatabase(new Engine(async () => new Door(await loaded, limits), clock))
  }
  const options =
    (fsync === 'always' ? ALWAYS : fsync === 'no' ? NEVER : 0) +
    (readOnly ? READ_ONLY : 0) +
    (onCorruption === 'salvage' ? SALVAGE : 0) +
    (onDataLoss === 'accept' ? ACCEPT : 0) +
    (steal ? STEAL : 0)
  const lockWaitMs = wait === true ? Infinity : Number(wait ?? 0)
  const open = async (engine: Engine) => {
    const door = new Door(await loaded, limits)
    // An engine that failed lets go of nothing of IndexedDB.
    const isAgain = 'indexedDb' in storage && engine.restarts_.length > 0
    engine.stored_ = new Stored(engine, door, storage, isAgain ? options | STEAL : options, lockWaitMs)
    return engine.stored_.opened_
  }
  return new OpeningDatabase(new Engine(open, clock))
}
