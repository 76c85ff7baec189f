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
  const text = atob(inline)
  const gzip = new Uint8Array(text.length)
  for (let at = 0; at < text.length; at++) gzip[at] = text.charCodeAt(at)
  return WebAssembly.compile(await inflate(gzip))
}

/**
 * Inflates what was gzipped. Where there is Node's own library, it does so ten milliseconds sooner than streams, which
 * Node loads only when they are first used.
 */
async function inflate(gzip: Uint8Array<ArrayBuffer>): Promise<BufferSource> {
  const zlib = globalThis.process?.getBuiltinModule?.('zlib')
  if (zlib !== undefined) return zlib.gunzipSync(gzip)
  return new Response(new Blob([gzip]).stream().pipeThrough(new DecompressionStream('gzip'))).arrayBuffer()
}
