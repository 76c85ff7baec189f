// What build.mjs makes, as the sources see it.

declare module 'brooklet-glue' {
  /** The exports of the module; wasm/src/door.rs describes each. `door` says which door. */
  export type Exports = Record<`door_${Method}`, (door: number, ...numbers: number[]) => number> & {
    memory: WebAssembly.Memory
    door_new(): number
    door_answer(door: number): number
  }

  export type Method =
    | 'room'
    | 'call'
    | 'exec'
    | 'advance'
    | 'take'
    | 'cancel'
    | 'configure'
    | 'streams'
    | 'statistics'

  /** Makes an instance. */
  export function glue(module: WebAssembly.Module): Exports
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
