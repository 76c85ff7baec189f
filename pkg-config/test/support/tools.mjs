// What several tests need.

import assert from 'node:assert/strict'
import { setImmediate as nextTask } from 'node:timers/promises'
import { open } from 'brooklet'

/** A database that is closed when the test is over. */
export async function database(t, options) {
  const db = await open(options)
  t.after(() => db.close())
  return db
}

/** Everything that an iteration yields. */
export async function collect(iteration) {
  const all = []
  for await (const one of iteration) all.push(one)
  return all
}

/** Lets everything happen that is about to. */
export async function settle(tasks = 3) {
  for (let task = 0; task < tasks; task++) await nextTask()
}

/** Whether a promise is neither kept nor broken by now. */
export async function isPending(promise) {
  const pending = {}
  await settle()
  return (await Promise.race([promise.catch(() => {}), nextTask(pending)])) === pending
}

/** Waits until something is so. */
export async function until(isSo) {
  for (let task = 0; task < 10_000; task++) {
    if (await isSo()) return
    await nextTask()
  }
  assert.fail('it does not come to that')
}

export async function waitingReaders(db) {
  return (await db.inspect()).waitingReaders
}

/** Random numbers that are the same in each run. */
export function randomNumbers(seed) {
  let state = seed >>> 0
  /** A number below `end`. */
  return (end) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % end
  }
}

export const bytes = (...values) => Uint8Array.from(values)

/** The names of the warnings that the process gives until the test ends. */
export function warningsOf(t) {
  const names = []
  const note = ({ name }) => names.push(name)
  process.on('warning', note)
  t.after(() => process.off('warning', note))
  return names
}
