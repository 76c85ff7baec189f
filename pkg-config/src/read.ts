// Reading on: XREAD of one stream or several, first what they have, then what is added.
//
// *Design.* The ID after which a stream is read is known from the beginning: `$` is resolved when the iteration is made.
// From then on each read names the last ID it has seen and waits in the engine, so nothing falls between two reads.

import type { LiveOptions, ReadOptions } from '../types/index.js'
import type { Engine } from './engine.js'
import { Entry, isSame, readEntries } from './entry.js'
import { RedisError } from './errors.js'
import { Live, PAGE, PAGE_BYTES } from './live.js'
import { COUNT, SIGNAL, TEXT } from './options.js'
import type { Reader } from './reply.js'

export const READ_OPTIONS = { count: COUNT, signal: SIGNAL }
export const LIVE_OPTIONS = { ...READ_OPTIONS, after: TEXT } satisfies Record<keyof LiveOptions, unknown>

/** A stream that is read, and how far. */
export interface Source {
  name: string | Uint8Array
  after: string | Promise<string>
}

/** A source that begins after an ID. */
export function source(engine: Engine, name: string | Uint8Array, after = '$'): Source {
  return { name, after: after === '$' ? lastId(engine, name) : after }
}

/** Iterates over the entries of sources; `make` makes of each what is given out. */
export class LiveRead<T> extends Live<T> {
  sources_: Source[]
  make_: (name: string | Uint8Array, entry: Entry) => T

  constructor(
    engine: Engine,
    sources: Source[],
    options: ReadOptions,
    make: (name: string | Uint8Array, entry: Entry) => T,
  ) {
    super(engine, options.count, options.signal)
    this.sources_ = sources
    this.make_ = make
  }

  override async fill_(): Promise<void> {
    const { sources_ } = this
    const ids = []
    for (const source of sources_) ids.push((source.after = await source.after))
    if (this.over_ !== undefined) return
    // The count is of each stream, so that no stream keeps the others waiting.
    const count = Math.ceil(Math.min(PAGE, this.left_) / sources_.length)
    const names = sources_.map(({ name }) => name)
    const words = ['XREAD', 'COUNT', count, 'MAXSIZE', PAGE_BYTES, 'BLOCK', 0, 'STREAMS', ...names, ...ids]
    await this.wait_(words, (reader) => this.take_(reader))
  }

  take_(reader: Reader): void {
    const page: T[] = []
    let place = 0
    for (let left = reader.array_(); left > 0; left--) {
      const name = reader.text_()
      while (!isSame(this.sources_[place]!.name, name)) place++
      const source = this.sources_[place++]!
      const entries = readEntries(reader)
      source.after = entries[entries.length - 1]!.id
      for (const entry of entries) page.push(this.make_(source.name, entry))
    }
    this.page_ = page.length > this.left_ ? page.slice(0, this.left_) : page
    this.at_ = 0
  }
}

/** The last ID of a stream; `0-0` if there is none. */
function lastId(engine: Engine, name: string | Uint8Array): string | Promise<string> {
  const found = (reader: Reader) => {
    const { lastGeneratedId } = reader.plain_() as { lastGeneratedId: string }
    return lastGeneratedId
  }
  const missing = (error: unknown) => {
    if (error instanceof RedisError && error.message === 'ERR no such key') return '0-0'
    throw error
  }
  try {
    const id = engine.run_(['XINFO', 'STREAM', name], found)
    if (typeof id === 'string') return id
    const promise = id.catch(missing)
    // It is told when somebody asks for the first entry.
    promise.catch(() => {})
    return promise
  } catch (error) {
    try {
      return missing(error)
    } catch (error) {
      const promise = Promise.reject(error)
      promise.catch(() => {})
      return promise
    }
  }
}
