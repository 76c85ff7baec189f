// A directory of numbered files: what is done with all of them, and how it gets to the disk.
//
// *Design.* Every file has a name like `log-3-17`: what it is, then numbers. Nothing is ever written to a name that
// counts already: a file is written as `.tmp`, synced, and renamed, or created by who alone may create it. Syncing
// happens in the thread pool, all else is a few microseconds in the page cache.
//
// *Invariant.* A name that is not one of ours is neither opened nor deleted. One that begins with a dot is nobody's
// business: systems leave such files everywhere.

import * as fs from 'node:fs'
import * as process from 'node:process'

/** Of what a file is, and its numbers. */
const NAME = /^(epoch|lock|log|part|quarantine)-(\d+)(?:-(\d+))?(?:-\w+)?(\.tmp)?$/

const MODE_DIRECTORY = 0o700
const MODE_FILE = 0o600

/** A name, taken apart. */
export interface Name {
  name_: string
  kind_: string
  first_: number
  second_: number
  isTemporary_: boolean
}

export function codeOf(error: unknown): string | undefined {
  return (error as { code?: string } | null)?.code
}

/** Does something that need not succeed. */
export function tolerantly<T>(run: () => T): T | undefined {
  try {
    return run()
  } catch {
    return undefined
  }
}

/** Syncs a file, in the thread pool. */
export function sync(fd: number, how: 'fdatasync' | 'fsync' = 'fdatasync'): Promise<void> {
  return new Promise((done, fail) => fs[how](fd, (error) => (error ? fail(error) : done())))
}

/** Writes all of it, also if the system takes it in pieces. */
export function writeAll(fd: number, bytes: Uint8Array, at: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += fs.writeSync(fd, bytes, done, bytes.length - done, at + done)
  }
}

/** Syncs which names a directory has. */
export async function syncNames(path: string): Promise<void> {
  let fd
  try {
    fd = fs.openSync(path, 'r')
    await sync(fd, 'fsync')
  } catch (error) {
    // Windows has no such thing, and keeps names in a journal.
    if (process.platform !== 'win32') throw error
  } finally {
    if (fd !== undefined) fs.closeSync(fd)
  }
}

/** Creates a file that is whole under its name or not there. `isWanted` is asked last and throws if it is not. */
export async function create(path: string, bytes: Uint8Array, isWanted?: () => void): Promise<void> {
  const temporary = `${path}.tmp`
  const fd = fs.openSync(temporary, 'w', MODE_FILE)
  try {
    try {
      writeAll(fd, bytes, 0)
      await sync(fd)
    } finally {
      fs.closeSync(fd)
    }
    isWanted?.()
    fs.renameSync(temporary, path)
  } catch (error) {
    tolerantly(() => fs.unlinkSync(temporary))
    throw error
  }
}

/** Deletes a file, if it is there. */
export function remove(path: string): void {
  try {
    fs.unlinkSync(path)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
  }
}

/** A directory; see the head of this file. */
export class Directory {
  path_: string

  constructor(path: string) {
    this.path_ = path
  }

  at_(name: string): string {
    return `${this.path_}/${name}`
  }

  /** Creates the directory, unless it is there. */
  async create_(): Promise<void> {
    const created = fs.mkdirSync(this.path_, { recursive: true, mode: MODE_DIRECTORY })
    if (created !== undefined) await syncNames(`${created}/..`)
  }

  /** Its files, oldest first. A directory that is not there has none. */
  names_(kind?: string): Name[] {
    const names: Name[] = []
    for (const name of this.list_()) {
      const parts = NAME.exec(name)
      if (parts === null || (kind !== undefined && parts[1] !== kind)) continue
      const [, kind_, first, second, temporary] = parts
      names.push({ name_: name, kind_: kind_!, first_: +first!, second_: +(second ?? 0), isTemporary_: !!temporary })
    }
    return names.sort((one, other) => one.first_ - other.first_ || one.second_ - other.second_)
  }

  /** Refuses a directory in which something else is. */
  refuseForeign_(): void {
    const foreign = this.list_().filter((name) => !NAME.test(name) && !name.startsWith('.'))
    if (foreign.length === 0) return
    const shown = foreign.slice(0, 3).map((name) => JSON.stringify(name))
    throw new Error(
      `${this.path_} holds files that are not of brooklet, and nothing was touched: ${shown.join(', ')}` +
        `${foreign.length > shown.length ? ` and ${foreign.length - shown.length} more` : ''}. ` +
        'Give a directory that is empty, or one that does not exist yet',
    )
  }

  /** Creates a file that is not there yet and leaves it open; null if it is there. */
  claim_(name: string): number | null {
    try {
      return fs.openSync(this.at_(name), 'wx', MODE_FILE)
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return null
      throw error
    }
  }

  /** Deletes a file that is of no use any more. If that cannot be now, it can be later. */
  delete_(name: string): void {
    tolerantly(() => fs.unlinkSync(this.at_(name)))
  }

  list_(): string[] {
    try {
      return fs.readdirSync(this.path_)
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return []
      throw error
    }
  }
}
