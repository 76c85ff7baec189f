// What build.mjs makes, as the sources see it.

declare module 'brooklet-glue' {
  /** The exports of the module; wasm/src/door.rs describes each. `door` says which door. */
  export type Exports = Record<`door_${Method}`, (door: number, ...numbers: number[]) => number> & {
    memory: WebAssembly.Memory
    door_new(): number
    door_answer(door: number): number
    door_open(
      door: number,
      client: Client,
      traits: number,
      valueBytesMax: number,
      options: number,
      lockWaitMs: number,
    ): void
    door_open_idb(door: number, client: Client, bytes: number, options: number, lockWaitMs: number): void
  }

  /** What the module calls; wasm/src/storage.rs describes each. */
  export interface Client {
    soon(atOnce: boolean): void
    ask(number: number, at: number): number
    answer(number: number, address: number): void
  }

  export type Method =
    | 'room'
    | 'call'
    | 'exec'
    | 'advance'
    | 'take'
    | 'cancel'
    | 'configure'
    | 'names'
    | 'statistics'
    | 'abandon'
    | 'answered'
    | 'drive'
    | 'hold'
    | 'released'
    | 'store'
    | 'flush'
    | 'close'
    | 'durability'

  /** Makes an instance. What the platform calls back runs in `guard`. */
  export function glue(module: WebAssembly.Module, guard: (run: () => unknown) => unknown): Exports
}

declare module 'brooklet-inline' {
  /** The module: gzip, then base64. */
  const inline: string
  export default inline
}

declare module '*.wasm' {
  const module: WebAssembly.Module
  export default module
}

/** What Node, Deno and Bun have. */
declare var process:
  | { getBuiltinModule?: (name: 'zlib') => { gunzipSync(bytes: Uint8Array): Uint8Array } | undefined }
  | undefined
declare var Buffer: { from(text: string, encoding: 'base64'): Uint8Array } | undefined
/** What Node has, and Deno, and Bun. */
declare var setImmediate: ((run: () => void) => unknown) | undefined
