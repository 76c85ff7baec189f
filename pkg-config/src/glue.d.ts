// What build.mjs makes, as the sources see it.

declare module 'brooklet-glue' {
  /** The exports of the module; wasm/src/door.rs describes each. `door` says which door. */
  export interface Exports {
    memory: WebAssembly.Memory
    door_new(): number
    door_room(door: number, bytes: number): number
    door_answer(door: number): number
    door_call(door: number, bytes: number, nowMs: number): number
    door_exec(door: number, bytes: number, nowMs: number): number
    door_advance(door: number, nowMs: number): void
    door_take(door: number): number
    door_cancel(door: number, waiter: number): number
    door_configure(door: number, ...limits: number[]): void
    door_streams(door: number): void
    door_statistics(door: number): void
  }

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
  | { getBuiltinModule?: (name: 'zlib') => { gunzipSync(bytes: Uint8Array): Uint8Array<ArrayBuffer> } | undefined }
  | undefined
