// The repository's transcripts through the package. CONFORMANCE=file or file:part chooses cases.

import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { test } from 'node:test'
import { memory, open } from 'brooklet'
import { CLOCK_START_MS, reasonToSkip, runCase } from './support/conformance.mjs'
import { readCases } from './support/transcript.mjs'

const directory = new URL('../../tests/conformance/', import.meta.url)
const [onlyFile, onlyCase] = (process.env.CONFORMANCE ?? '').split(':')

/** So many cases are left out, by reason: one more is looked at before a number changes. */
const SKIPPED = {
  'a database of the package is one, not sixteen': 7,
  'an argument is larger than a quarter of a GiB': 2,
}
/** A database in memory, and one that is stored, where every reply passes the gate. */
const WAYS = {
  'in memory': open,
  stored: (options) => open({ ...options, storage: memory() }),
}

/** Whether somebody turns the clock back in a case. */
function goesBack({ steps }) {
  let latest = CLOCK_START_MS
  return steps.some(({ action, nowMs }) => {
    if (action !== 'clock') return false
    const isBack = nowMs < latest
    latest = nowMs
    return isBack
  })
}

const skipped = {}
let run = 0

const files = readdirSync(directory).filter((file) => file.endsWith('.txt'))
for (const file of files) {
  if (onlyFile && file !== onlyFile) continue
  const cases = readCases(file, readFileSync(new URL(file, directory), 'utf8'))
  assert.ok(cases.length > 0, `${file} has no cases`)
  test(`${file} is answered as the transcript says`, async () => {
    const failures = []
    for (const one of cases) {
      if (onlyCase && !one.name.includes(onlyCase)) continue
      const reason = reasonToSkip(one)
      if (reason !== undefined) {
        skipped[reason] = (skipped[reason] ?? 0) + 1
        continue
      }
      run++
      for (const [way, openIt] of Object.entries(WAYS)) {
        // What is stored has a clock that never goes back.
        if (way === 'stored' && goesBack(one)) continue
        await runCase(openIt, one).catch((error) => failures.push(`${way}: ${error.message}`))
      }
    }
    assert.deepEqual(failures, [], `\n${failures.join('\n')}`)
  })
}

test('all cases were run but for those that the package cannot run', { skip: Boolean(onlyFile) }, () => {
  assert.deepEqual(skipped, SKIPPED)
  assert.ok(run > 500, `${run} cases`)
})
