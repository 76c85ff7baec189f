import type { OpenOptions, Opening } from './index.js'

export * from './index.js'

/** Where the engine's module comes from: an address, a response, the bytes, or a compiled module. */
export type WasmSource = string | URL | Response | PromiseLike<Response> | BufferSource | WebAssembly.Module

/** How a database is opened when the module is not part of the program. */
export interface SlimOptions extends OpenOptions {
  /** `brooklet/engine.wasm`, as the bundler or server at hand gives it. */
  wasm: WasmSource
}

/**
 * Opens a database, with an engine of its own: in memory, and empty; or as it is stored, if a storage is given.
 *
 * @throws {TypeError} at once, if an option is wrong.
 */
export function open(options: SlimOptions): Opening
