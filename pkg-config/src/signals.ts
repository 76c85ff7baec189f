// Signals: one listener for each, however many reads it ends.
//
// *Why not a listener for each read.* One signal often ends a whole program, and Node warns of a leak from the eleventh
// listener on.

/** What is run when a signal comes, in order. */
const runs = new WeakMap<EventTarget, Set<() => void>>()

function abort({ target }: Event): void {
  runs.get(target!)!.forEach((run) => run())
}

/** Has something run when a signal comes. */
export function listen(signal: AbortSignal | undefined, run: () => void): void {
  if (signal === undefined) return
  runs.set(signal, (runs.get(signal) ?? new Set()).add(run))
  // The same listener is added once.
  signal.addEventListener('abort', abort)
}

/** Takes it back. */
export function unlisten(signal: AbortSignal | undefined, run: () => void): void {
  const all = signal && runs.get(signal)
  if (all?.delete(run) && all.size === 0) signal!.removeEventListener('abort', abort)
}
