// The entry for everybody: the module is part of it.

import inline from 'brooklet-inline'
import { openWith } from './open.js'
import { unpack } from './packing.js'

export * from './api.js'

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
  return WebAssembly.compile(unpack(await inflate(inline)))
}

/** The bytes of a gzip in base64. */
async function inflate(base64: string): Promise<Uint8Array> {
  // Node loads its web streams only when they are first used, which takes it ten milliseconds. Its own are there.
  const zlib = globalThis.process?.getBuiltinModule?.('zlib')
  if (zlib !== undefined) return zlib.gunzipSync(globalThis.Buffer!.from(base64, 'base64'))
  const text = atob(base64)
  const gzip = new Uint8Array(text.length)
  for (let at = 0; at < text.length; at++) gzip[at] = text.charCodeAt(at)
  const stream = new Blob([gzip]).stream().pipeThrough(new DecompressionStream('gzip'))
  return new Uint8Array(await new Response(stream).arrayBuffer())
}
