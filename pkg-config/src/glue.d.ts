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
    configure(options: object): void
    streams(): void
    statistics(): { memoryBytes: number; waitingReaders: number; changes: number; expiredKeys: number }
  }

  /** Makes an instance. */
  export function glue(module: WebAssembly.Module): {
    Door: new (options: object) => Exports
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
