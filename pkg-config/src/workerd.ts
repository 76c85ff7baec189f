// The entry for Workers, which get a compiled module by importing it, and may compile none.

import module from './engine.wasm'
import { openWith } from './open.js'

export * from './api.js'

export const open = (options?: Parameters<typeof openWith>[0]) => openWith(options, async () => module)
