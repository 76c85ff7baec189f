// Reading what is there: XRANGE and XREVRANGE, page by page.
//
// Entries are of any size, and these commands bound a reply by their number alone. So a page that would be too large is
// asked for again by halves.

import type { RangeOptions } from '../types/index.js'
import type { Engine } from './engine.js'
import { Entry, readEntries } from './entry.js'
import { RedisError } from './errors.js'
import { Live, PAGE } from './live.js'
import { COUNT, FLAG, SIGNAL, TEXT, read } from './options.js'
import type { Words } from './request.js'

const OPTIONS = { from: TEXT, to: TEXT, count: COUNT, reverse: FLAG, signal: SIGNAL }

/** An iteration over entries that are there. */
export class Range extends Live<Entry> {
  name_: string | Uint8Array
  from_: string
  to_: string
  isReverse_: boolean
  pageLen_ = PAGE

  constructor(engine: Engine, name: string | Uint8Array, given: RangeOptions | undefined) {
    const options = read('range', OPTIONS, given)
    super(engine, options.count, options.signal)
    this.name_ = name
    this.from_ = options.from ?? '-'
    this.to_ = options.to ?? '+'
    this.isReverse_ = options.reverse ?? false
  }

  async toArray(): Promise<Entry[]> {
    this.start_()
    let all: Entry[] = []
    for (;;) {
      if (this.over_ !== undefined) {
        this.tellEnd_(this.over_)
        return all
      }
      if (this.at_ < this.page_.length) {
        const rest = this.at_ === 0 ? this.page_ : this.page_.slice(this.at_)
        this.left_ -= rest.length
        this.page_ = []
        this.at_ = 0
        all = all.length === 0 ? rest : all.concat(rest)
      }
      await this.more_()
    }
  }

  override async fill_(): Promise<void> {
    const asked = Math.min(this.pageLen_, this.left_)
    let page
    try {
      page = await this.engine_.run_(this.words_(asked), readEntries)
    } catch (error) {
      if (asked > 1 && error instanceof RedisError && error.message.includes('reply would be larger')) {
        this.pageLen_ = asked >> 1
        return
      }
      throw error
    }
    if (this.over_ !== undefined) return
    this.page_ = page
    this.at_ = 0
    if (page.length === 0) return this.end_({})
    const next = `(${page[page.length - 1]!.id}`
    if (this.isReverse_) this.to_ = next
    else this.from_ = next
  }

  words_(count: number): Words {
    const { name_, from_, to_ } = this
    return this.isReverse_
      ? ['XREVRANGE', name_, to_, from_, 'COUNT', count]
      : ['XRANGE', name_, from_, to_, 'COUNT', count]
  }
}
