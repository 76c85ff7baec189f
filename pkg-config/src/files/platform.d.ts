// What is used of Node's modules. Deno and Bun have the same.

declare module 'node:fs' {
  interface Stats {
    size: number
  }
  type Done = (error: Error | null) => void

  export function closeSync(fd: number): void
  export function fdatasync(fd: number, done: Done): void
  export function fstatSync(fd: number): Stats
  export function fsync(fd: number, done: Done): void
  export function ftruncateSync(fd: number, length: number): void
  export function linkSync(from: string, to: string): void
  export function mkdirSync(path: string, options: { recursive: true; mode: number }): string | undefined
  export function openSync(path: string, flags: string, mode?: number): number
  export function readdirSync(path: string): string[]
  export function readFileSync(path: string): Uint8Array
  export function readFileSync(path: string, encoding: 'utf8'): string
  export function readSync(fd: number, bytes: Uint8Array, offset: number, length: number, at: number): number
  export function renameSync(from: string, to: string): void
  export function rmdirSync(path: string): void
  export function statfsSync(path: string): { bavail: number; bsize: number }
  export function statSync(path: string): Stats
  export function truncateSync(path: string): void
  export function unlinkSync(path: string): void
  export function writeFileSync(path: string, text: string, options: { mode: number }): void
  export function writeSync(fd: number, bytes: Uint8Array, offset: number, length: number, at: number): number
}

declare module 'node:os' {
  export function hostname(): string
}

declare module 'node:path' {
  export function resolve(path: string): string
}

declare module 'node:process' {
  export const pid: number
  export const platform: string
  export function kill(pid: number, signal: 0): true
}
