// A clock that stands still until somebody moves it.

import type { VirtualClock } from '../../types/testing.js'

/** 2020-01-01: behind 1970 by enough for tests that go back. */
const START_MS = 1_577_836_800_000

/** Makes a clock. */
export function virtualClock(startMs = START_MS): VirtualClock {
  let now = startMs
  const advance = (ms: number) => {
    now += ms
  }
  const set = (ms: number) => {
    now = ms
  }
  return Object.assign(() => now, { advance, set })
}
