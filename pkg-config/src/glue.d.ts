// What build.mjs makes, as the sources see it.

declare module 'brooklet-glue' {
  /** The exports of the module; wasm/src/door.rs describes each. */
  export interface Exports {
    room(bytes: number): number
    answer(): number
    call(bytes: number, nowMs: number): boolean
    exec(bytes: number, nowMs: number): boolean
    advance(nowMs: number): void
    take(): boolean
    cancel(waiter: number): boolean
    configure(...limits: number[]): void
    streams(): void
    statistics(): void
  }

  /** Makes an instance. */
  export function glue(module: WebAssembly.Module): {
    Door: new () => Exports
    memory: WebAssembly.Memory
  }
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
