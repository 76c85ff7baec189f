// Opening: options, the module, an instance.

import type { OpenOptions } from '../types/index.js'
import { OpeningDatabase } from './database.js'
import { Door, LIMITS } from './door.js'
import { Engine } from './engine.js'
import { read } from './options.js'

/** Opens a database with the module that `load` gets. */
export function openWith(given: OpenOptions | undefined, load: () => Promise<WebAssembly.Module>): OpeningDatabase {
  const { clock, ...limits } = read(`${LIMITS} clock`, given)
  const door = load().then((module) => new Door(module, limits))
  return new OpeningDatabase(new Engine(door, clock))
}
