// Iterations that fetch page by page, and can be stopped at any moment.
//
// *Design.* A page is fetched, or waited for in the engine, when somebody asks for more than is there. It is put into
// the iteration while the reply is read, in the same task as whatever led to it; and it is given out entry by entry
// to those who asked, in order. Stopping (by a signal, by leaving the loop, by closing the database) ends the wait
// and gives back what is left of the page, at once. So an entry is either given out or given back, and nothing lies
// in between.
//
// What is fetched and how is a function that each kind of iteration brings along; its state is what it closes over.
//
// *Why not async generators.* One that waits cannot be stopped: `return()` waits behind it. And between the reply and
// the generator's next step there is a gap in which a signal may come.
//
// *Invariants*
// 1. Once `isOver_` is set the page is empty and nobody waits in the engine for this iteration.
// 2. Who asked first is answered first.

import type { Decode, Engine } from './engine.js'
import type { Words } from './request.js'
import { listen, unlisten } from './signals.js'
import { Slice } from './timer.js'

/** So many entries are fetched at once. */
export const PAGE = 128
/** A page of reading ends when it has so many bytes. */
export const PAGE_BYTES = 1 << 20

/** What all iterations have. */
export interface Bounds {
  count?: number | undefined
  signal?: AbortSignal | undefined
}

/** Fetches the next page into an iteration, or ends it. */
type Fill<T> = (live: Live<T>) => void | Promise<void>

/** An iteration. */
export class Live<T> implements AsyncIterableIterator<T> {
  engine_: Engine
  fill_: Fill<T>
  giveBack_: ((rest: T[]) => void) | undefined
  page_: T[] = []
  at_ = 0
  /** How many may still be given out. */
  left_: number
  signal_: AbortSignal | undefined
  isStarted_ = false
  isOver_ = false
  /** Ends the iteration with an error, which is told once. */
  failure_: { reason_: unknown } | undefined
  filling_: Promise<void> | undefined
  /** How many ask who are not answered yet. */
  asking_ = 0
  cancel_: (() => void) | undefined
  slice_ = new Slice()
  onAbort_ = () => this.stop_(this.signal_!.reason)

  constructor(engine: Engine, { count, signal }: Bounds, fill: Fill<T>, giveBack?: (rest: T[]) => void) {
    this.engine_ = engine
    this.left_ = count ?? Infinity
    this.signal_ = signal
    this.fill_ = fill
    this.giveBack_ = giveBack
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.asking_ === 0 && this.hasEntries_()) return Promise.resolve(this.shift_())
    return this.ask_()
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    this.end_()
    return END
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.end_()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async toArray(): Promise<T[]> {
    this.start_()
    const all: T[] = []
    while (!this.isDone_()) {
      for (; this.at_ < this.page_.length; this.left_--) all.push(this.page_[this.at_++]!)
      await this.more_()
    }
    return all
  }

  /** Puts a page where it is given out from. */
  take_(page: T[]): void {
    this.page_ = page
    this.at_ = 0
  }

  /** Runs a command that may wait, until the iteration ends. `take` puts its reply into the page. */
  wait_(words: Words, take: Decode<void>): void | Promise<void> {
    return this.enter_(() =>
      this.engine_.wait_(words, take, (cancel) => {
        this.cancel_ = () => cancel(undefined)
      }),
    )
  }

  /** Runs something in its turn, if the iteration still goes on then. */
  enter_(run: () => void | Promise<void>): void | Promise<void> {
    return this.engine_.enter_(() => (this.isOver_ ? undefined : run()))
  }

  /** Ends the iteration with an error. */
  stop_(reason: unknown): void {
    if (!this.isOver_) this.failure_ = { reason_: reason }
    this.end_()
  }

  end_(): void {
    if (this.isOver_) return
    this.isOver_ = true
    unlisten(this.signal_, this.onAbort_)
    this.engine_.live_.delete(this)
    this.cancel_?.()
    const rest = this.page_.slice(this.at_)
    this.take_([])
    if (rest.length > 0) this.giveBack_?.(rest)
  }

  start_(): void {
    if (this.isStarted_) return
    this.isStarted_ = true
    this.engine_.live_.add(this)
    listen(this.signal_, this.onAbort_)
    if (this.signal_?.aborted) this.onAbort_()
  }

  /** Whether there is something to give out. While a page is fetched, what it tells of may not be stored yet. */
  hasEntries_(): boolean {
    return this.at_ < this.page_.length && this.filling_ === undefined
  }

  shift_(): IteratorResult<T, undefined> {
    this.left_--
    return { value: this.page_[this.at_++]!, done: false }
  }

  async ask_(): Promise<IteratorResult<T, undefined>> {
    this.start_()
    this.asking_++
    try {
      while (!this.isDone_()) {
        if (this.hasEntries_()) return this.shift_()
        await this.more_()
      }
      return END
    } finally {
      this.asking_--
    }
  }

  /** Gets a page, or the end. Who comes while one is fetched waits for that. */
  more_(): Promise<void> {
    return (this.filling_ ??= this.fillOnce_())
  }

  async fillOnce_(): Promise<void> {
    try {
      if (this.left_ === 0) this.end_()
      if (this.slice_.isOver_()) await this.slice_.pause_()
      if (!this.isOver_) await this.fill_(this)
    } catch (reason) {
      this.stop_(reason)
    } finally {
      this.filling_ = this.cancel_ = undefined
    }
  }

  /** Whether nothing more comes. Throws if it ended with an error that nobody was told. */
  isDone_(): boolean {
    const { failure_ } = this
    this.failure_ = undefined
    if (failure_ !== undefined) throw failure_.reason_
    return this.isOver_
  }
}

const END = { value: undefined, done: true } as const
