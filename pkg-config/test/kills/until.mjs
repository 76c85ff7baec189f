// Waiting for something, with a limit that says what was waited for.

const LOOK_AGAIN_MS = 5

/** Waits until something is so. */
export async function until(what, msMax, isSo) {
  const begin = performance.now()
  while (!(await isSo())) {
    if (performance.now() - begin > msMax) throw new Error(`waited ${msMax / 1000} s until ${what}`)
    await pause(LOOK_AGAIN_MS)
  }
}

/** A promise, or an error that says what was waited for. */
export async function within(what, msMax, promise) {
  let timer
  const late = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Error(`waited ${msMax / 1000} s until ${what}`)), msMax)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

export function pause(ms) {
  return new Promise((done) => setTimeout(done, ms))
}
