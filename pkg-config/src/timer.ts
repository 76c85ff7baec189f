// Time: the one timer of a database, and pauses in which other tasks run.
//
// *Design.* The engine says when it next has something to do; one platform timer is set for that. When the time moves
// away, the timer is left as it is: it comes too early once, and is set again. Platforms count delays in 31 bits, so
// longer ones are cut and set again likewise.
//
// It keeps a process alive only while somebody waits: nobody sees whether a key expires in a process that has nothing
// else to do.
//
// *Why not a timer for each wait.* A thousand readers would be a thousand timers, and the engine knows the first one.

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
  /** When the platform's timer comes, and the time when it was set. */
  comesAt_ = Infinity
  setAt_ = 0
  now_: () => number
  isOwnClock_: boolean
  onTime_: () => void

  constructor(now: () => number, isOwnClock: boolean, onTime: () => void) {
    this.now_ = now
    this.isOwnClock_ = isOwnClock
    this.onTime_ = onTime
  }

  /** Sets the time, and whether somebody waits for it. */
  set_(at: number, isAwaited: boolean): void {
    this.at_ = at
    if (at >= NEVER_MS) {
      this.at_ = Infinity
      if (this.handle_ !== undefined) this.stop_()
      return
    }
    if (this.handle_ === undefined || at < this.comesAt_) this.start_()
    if (isAwaited) this.handle_!.ref?.()
    else this.handle_!.unref?.()
  }

  start_(): void {
    this.stop_()
    const now = this.now_()
    const delay = Math.min(Math.max(this.at_ - now, 0), DELAY_MS_MAX)
    this.setAt_ = now
    this.comesAt_ = now + delay
    this.handle_ = setTimeout(() => this.come_(), delay)
  }

  stop_(): void {
    clearTimeout(this.handle_)
    this.handle_ = undefined
  }

  come_(): void {
    this.handle_ = undefined
    const now = this.now_()
    if (now >= this.at_) this.onTime_()
    // A clock that does not move by itself is moved by somebody, whose next call lets the time pass.
    else if (!this.isOwnClock_ || now !== this.setAt_) this.start_()
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
function nextTask(run: () => void): void {
  const { setImmediate } = globalThis as { setImmediate?: (run: () => void) => void }
  if (setImmediate !== undefined) {
    setImmediate(run)
  } else if (typeof MessageChannel === 'function') {
    // Unlike a timer, it is not held back for 4 ms.
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = () => {
      port1.close()
      run()
    }
    port2.postMessage(0)
  } else {
    setTimeout(run)
  }
}
