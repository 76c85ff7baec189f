// Time: the one timer of a database, and pauses in which other tasks run.
//
// *Design.* The engine says when it next has something to do, and one platform timer is set for that. Platforms count
// delays in 31 bits, so longer ones are cut, and set again.
//
// It keeps a process alive only while somebody waits: nobody sees whether a key expires in a process that has nothing
// else to do.
//
// *Why not a timer for each wait.* A thousand readers would be a thousand timers, and the engine knows the first one.

import { quietly } from './shapes.js'

/** The longest delay that platforms understand. */
const DELAY_MS_MAX = 2 ** 31 - 1
/** The engine's clock ends here: what is due later never is. */
const NEVER_MS = 2 ** 48 - 1
/** Work goes on for so long before other tasks get their turn. */
const SLICE_MS = 4

type Handle = ReturnType<typeof setTimeout> & { ref?(): void; unref?(): void }

/** The timer of a database. */
export class Timer {
  /** When time has to pass. */
  at_ = Infinity
  handle_: Handle | undefined
  clock_: () => number
  isOwnClock_: boolean
  onTime_: () => void

  constructor(clock: () => number, isOwnClock: boolean, onTime: () => void) {
    this.clock_ = clock
    this.isOwnClock_ = isOwnClock
    this.onTime_ = onTime
  }

  /** Sets the time, and whether somebody waits for it. */
  set_(at: number, isAwaited: boolean): void {
    if (at !== this.at_) {
      clearTimeout(this.handle_)
      this.handle_ = undefined
      this.at_ = at < NEVER_MS ? at : Infinity
      if (this.at_ === at) this.start_()
    }
    if (isAwaited) this.handle_?.ref?.()
    else this.handle_?.unref?.()
  }

  start_(): void {
    const set = this.clock_()
    const come = () => {
      const now = this.clock_()
      if (now >= this.at_) this.onTime_()
      // A clock of the caller's that stands still is moved by somebody, whose next call lets the time pass.
      else if (now !== set || !this.isOwnClock_) this.start_()
    }
    this.handle_ = setTimeout(() => quietly(come), Math.min(this.at_ - set, DELAY_MS_MAX))
  }
}

/** Says when work has gone on for long enough. */
export class Slice {
  start_ = Date.now()

  isOver_(): boolean {
    return Date.now() - this.start_ > SLICE_MS
  }

  /** Lets other tasks run. */
  async pause_(): Promise<void> {
    await new Promise<void>(nextTask)
    this.start_ = Date.now()
  }
}

/** Runs a function as a task of its own, as soon as the platform lets it. */
export function nextTask(run: () => void): void {
  if (typeof setImmediate === 'function') {
    setImmediate(run)
    return
  }
  if (typeof MessageChannel === 'undefined') {
    setTimeout(run)
    return
  }
  // Unlike a timer, it is not held back for 4 ms.
  const { port1, port2 } = new MessageChannel()
  port1.onmessage = () => {
    port1.close()
    run()
  }
  port2.postMessage(0)
}
