// Opening: options, the module, an instance.

import type { OpenOptions } from '../types/index.js'
import { LIMITS, OpeningDatabase } from './database.js'
import { Door } from './door.js'
import { Engine } from './engine.js'
import { FUNCTION, read } from './options.js'

export const OPEN_OPTIONS = { ...LIMITS, clock: FUNCTION }

/** Opens a database with the module that `load` gets. */
export function openWith(given: OpenOptions | undefined, load: () => Promise<WebAssembly.Module>): OpeningDatabase {
  const { clock, ...limits } = read<OpenOptions>('open', OPEN_OPTIONS, given)
  const door = load().then((module) => new Door(module, limits))
  return new OpeningDatabase(new Engine(door, clock))
}
