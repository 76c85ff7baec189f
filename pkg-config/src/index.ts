// The entry for everybody: the module is part of it.

import inline from 'brooklet-inline'
import { openWith } from './open.js'

export { ClosedError, EngineError, RedisError } from './errors.js'

export const open = (options?: Parameters<typeof openWith>[0]) => openWith(options, load)

let loading: Promise<WebAssembly.Module> | undefined

/** Compiles the module, once. */
function load(): Promise<WebAssembly.Module> {
  loading ??= compile()
  loading.catch(() => {
    loading = undefined
  })
  return loading
}

async function compile(): Promise<WebAssembly.Module> {
  const gzip = Uint8Array.from(atob(inline), (character) => character.charCodeAt(0))
  const stream = new Blob([gzip]).stream().pipeThrough(new DecompressionStream('gzip'))
  return WebAssembly.compile(await new Response(stream).arrayBuffer())
}
