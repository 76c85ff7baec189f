// The entry for those who bring the module themselves.

import type { SlimOptions, WasmSource } from '../types/slim.js'
import { openWith } from './open.js'
import { refuse } from './options.js'

export * from './api.js'

export const open = (given: SlimOptions) => {
  const { wasm, ...options } = given ?? {}
  if (typeof wasm !== 'string' && (typeof wasm !== 'object' || wasm === null)) {
    refuse('wasm', 'an address, a Response, bytes or a WebAssembly.Module', wasm)
  }
  return openWith(options, () => load(wasm))
}

async function load(source: WasmSource): Promise<WebAssembly.Module> {
  let given = await source
  if (typeof given === 'string' || given instanceof URL) given = await fetch(given)
  if (typeof Response === 'function' && given instanceof Response) {
    if (!given.ok) throw new Error(`the module cannot be fetched: ${given.status} ${given.url}`)
    given = await given.arrayBuffer()
  }
  return given instanceof WebAssembly.Module ? given : WebAssembly.compile(given as BufferSource)
}
