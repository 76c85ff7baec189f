// Reading on: XREAD of one stream or several, first what they have, then what is added.
//
// *Design.* The ID after which a stream is read is known from the beginning: `$` is resolved when the iteration is
// made. From then on each read names the last ID it has seen and waits in the engine, so nothing falls between two
// reads.

import type { Name, StreamCounts } from '../types/index.js'
import type { Engine } from './engine.js'
import { type Entry, isSame, readEntries } from './entry.js'
import { RedisError } from './errors.js'
import { type Bounds, Live, PAGE, PAGE_BYTES } from './live.js'
import { readPlain, unawaited } from './shapes.js'

export const READ_OPTIONS = 'count signal'

/** A stream that is read, and how far. */
export interface Source {
  name: Name
  after: string | Promise<string>
}

/** A source that begins after an ID. */
export function source(engine: Engine, name: Name, after = '$'): Source {
  return { name, after: after === '$' ? unawaited(lastId(engine, name)) : after }
}

/** Iterates over the entries of sources; `make` makes of each what is given out. */
export function readOn<T>(
  engine: Engine,
  sources: Source[],
  bounds: Bounds,
  make: (entry: Entry, name: Name) => T,
): Live<T> {
  const names = sources.map(({ name }) => name)
  return new Live<T>(engine, bounds, async (live) => {
    const ids: string[] = []
    for (const source of sources) ids.push((source.after = await source.after))
    // The count is of each stream, so that no stream keeps the others waiting.
    const count = Math.ceil(Math.min(PAGE, live.left_) / sources.length)
    const words = ['XREAD', 'COUNT', count, 'MAXSIZE', PAGE_BYTES, 'BLOCK', 0, 'STREAMS', ...names, ...ids]
    await live.wait_(words, (reader) => {
      const page: T[] = []
      let place = 0
      for (let left = reader.array_(); left > 0; left--) {
        const name = reader.text_()
        while (!isSame(names[place]!, name)) place++
        const entries = readEntries(reader)
        sources[place]!.after = entries.at(-1)!.id
        for (const entry of entries) page.push(make(entry, name))
      }
      live.take_(page.slice(0, live.left_))
    })
  })
}

/** The last ID of a stream; `0-0` if there is none. */
async function lastId(engine: Engine, name: Name): Promise<string> {
  try {
    return (await engine.run_(['XINFO', 'STREAM', name], readPlain<StreamCounts>)).lastGeneratedId
  } catch (error) {
    if (error instanceof RedisError && error.message === 'ERR no such key') return '0-0'
    throw error
  }
}
