// The failures of a storage that have a name of their own; see types/storage.d.ts.
//
// *Why not classes.* Whoever catches one goes by its name: it may come from a storage that somebody else wrote, or out
// of another copy of this library.

function failure(name: string, message: string, cause?: unknown): Error {
  const error = new Error(message, cause === undefined ? undefined : { cause })
  error.name = name
  return error
}

/** An epoch above this one was claimed. */
export function fenced(epoch: number, newest: number): Error {
  return failure('FencedError', `epoch ${newest} was claimed, and this is epoch ${epoch}: another owner has taken over`)
}

/** Another one holds the lock. */
export function locked(message: string): Error {
  return failure('LockedError', message)
}

/** The connection is gone. */
export function gone(why: string, cause?: unknown): Error {
  return failure('InvalidStateError', `the connection is gone: ${why}`, cause)
}
