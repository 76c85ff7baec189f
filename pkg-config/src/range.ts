// Reading what is there: XRANGE and XREVRANGE, page by page.
//
// Entries are of any size, and these commands bound a reply by their number alone. So a page that would be too large
// is asked for again by halves.
//
// The end is fixed when the first page is read: a loop that appends to what it reads comes to an end.

import type { Name, RangeOptions } from '../types/index.js'
import type { Engine } from './engine.js'
import { type Entry, readEntries } from './entry.js'
import { RedisError } from './errors.js'
import { Live, PAGE } from './live.js'
import { read } from './options.js'
import { ID_MAX } from './shapes.js'

/** An iteration over entries that are there. */
export function range(engine: Engine, name: Name, given: RangeOptions | undefined): Live<Entry> {
  const options = read('from to count reverse signal', given)
  const { reverse } = options
  const ends = [options.from ?? '-', options.to ?? '+']
  if (reverse) ends.reverse()
  let pageLen = PAGE
  let isEndFixed = reverse
  return new Live<Entry>(engine, options, async (live) => {
    const count = Math.min(pageLen, live.left_)
    try {
      const page = await engine.run_([reverse ? 'XREVRANGE' : 'XRANGE', name, ...ends, 'COUNT', count], readEntries)
      if (live.isOver_) return
      live.take_(page)
      const last = page.at(-1)?.id
      ends[0] = `(${last}`
      if (page.length < count || last === ID_MAX) {
        live.left_ = page.length
      } else if (!isEndFixed && live.left_ > count) {
        isEndFixed = true
        const [newest] = await engine.run_(['XREVRANGE', name, ends[1]!, ends[0], 'COUNT', 1], readEntries)
        ends[1] = newest?.id ?? last!
      }
    } catch (error) {
      if (count === 1 || !(error instanceof RedisError && /reply would be larger/.test(error.message))) throw error
      pageLen = count >> 1
    }
  })
}
