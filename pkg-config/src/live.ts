// Iterations that fetch page by page, and can be stopped at any moment.
//
// *Design.* A page is fetched, or waited for in the engine, when somebody asks for more than is there. It is put into the
// iteration while the reply is read, in the same task as whatever led to it; and it is given out entry by entry to those
// who asked, in order. Stopping (by a signal, by leaving the loop, by closing the database) ends the wait and gives back
// what is left of the page, at once. So an entry is either given out or given back, and nothing lies in between.
//
// *Why not async generators.* One that waits cannot be stopped: `return()` waits behind it. And between the reply and the
// generator's next step there is a gap in which a signal may come.
//
// *Invariants*
// 1. Once `over_` is set the page is empty and nobody waits in the engine for this iteration.
// 2. Who asked first is answered first.

import type { Decode, Engine } from './engine.js'
import type { Words } from './request.js'
import { Slice } from './timer.js'

/** So many entries are fetched at once. */
export const PAGE = 128
/** A page of reading ends when it has so many bytes. */
export const PAGE_BYTES = 1 << 20

/** How an iteration ended. */
interface Over {
  /** To be thrown, once. */
  reason?: unknown
}

/** An iteration. */
export abstract class Live<T> implements AsyncIterableIterator<T> {
  engine_: Engine
  page_: T[] = []
  at_ = 0
  /** How many may still be given out. */
  left_: number
  over_: Over | undefined
  signal_: AbortSignal | undefined
  isStarted_ = false
  filling_: Promise<void> | undefined
  /** How many ask who are not answered yet. */
  asking_ = 0
  cancel_: ((reason: unknown) => void) | undefined
  slice_ = new Slice()
  onAbort_ = () => this.stop_(this.signal_!.reason)

  constructor(engine: Engine, count: number | undefined, signal: AbortSignal | undefined) {
    this.engine_ = engine
    this.left_ = count ?? Infinity
    this.signal_ = signal
  }

  /** Fetches the next page into `page_`, or ends the iteration. */
  abstract fill_(): Promise<void>

  /** Gives back what was fetched and not given out. */
  giveBack_(_rest: T[]): void {}

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.asking_ === 0 && this.at_ < this.page_.length) return Promise.resolve(this.shift_())
    return this.ask_()
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    this.end_({})
    return { value: undefined, done: true }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Ends the iteration with an error. */
  stop_(reason: unknown): void {
    this.end_({ reason })
  }

  end_(over: Over): void {
    if (this.over_ !== undefined) return
    this.over_ = over
    this.signal_?.removeEventListener('abort', this.onAbort_)
    this.engine_.live_.delete(this)
    this.cancel_?.(undefined)
    const rest = this.page_.slice(this.at_)
    this.page_ = []
    this.at_ = 0
    if (rest.length > 0) this.giveBack_(rest)
  }

  start_(): void {
    if (this.isStarted_ || this.over_ !== undefined) return
    this.isStarted_ = true
    this.engine_.live_.add(this)
    this.signal_?.addEventListener('abort', this.onAbort_)
    if (this.signal_?.aborted) this.onAbort_()
    else if (this.engine_.ended_ !== undefined) this.stop_(this.engine_.ended_)
  }

  /** Runs a command that may wait, until the iteration ends. `take` puts its reply into the page. */
  wait_(words: Words, take: Decode<void>): void | Promise<void> {
    return this.engine_.enter_(() => {
      if (this.over_ !== undefined) return
      return this.engine_.wait_(words, take, (cancel) => {
        this.cancel_ = cancel
      })
    })
  }

  shift_(): IteratorResult<T, undefined> {
    const value = this.page_[this.at_++]!
    this.left_--
    return { value, done: false }
  }

  async ask_(): Promise<IteratorResult<T, undefined>> {
    this.start_()
    this.asking_++
    try {
      for (;;) {
        if (this.over_ !== undefined) return this.tellEnd_(this.over_)
        if (this.at_ < this.page_.length) return this.shift_()
        await this.more_()
      }
    } finally {
      this.asking_--
    }
  }

  /** Gets a page, or the end. Who comes while one is fetched waits for that. */
  more_(): Promise<void> {
    if (this.left_ <= 0) this.end_({})
    this.filling_ ??= this.fillOnce_()
    return this.filling_
  }

  async fillOnce_(): Promise<void> {
    try {
      if (this.over_ !== undefined) return
      if (this.slice_.isOver_()) await this.slice_.pause_()
      if (this.over_ === undefined) await this.fill_()
    } catch (reason) {
      this.stop_(reason)
    } finally {
      this.filling_ = undefined
      this.cancel_ = undefined
    }
  }

  tellEnd_(over: Over): IteratorResult<T, undefined> {
    if ('reason' in over) {
      const { reason } = over
      delete over.reason
      throw reason
    }
    return { value: undefined, done: true }
  }
}
