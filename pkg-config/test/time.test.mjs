// Time: one timer, deadlines of any length, a clock of one's own, and processes that may end.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { open } from 'brooklet'
import { database, isPending, settle, until, waitingReaders, warningsOf } from './support/tools.mjs'

const row = { a: 'x' }

/** How many timers of the platform are set. */
const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length

test('a wait ends when its time is over', async (t) => {
  const db = await database(t)
  const start = Date.now()
  assert.equal(await db.call('XREAD', 'BLOCK', 20, 'STREAMS', 's', '$'), null)
  assert.ok(Date.now() - start >= 19)
})

test('any number of waits has one timer', async (t) => {
  const db = await database(t)
  const before = timers()
  const waits = []
  for (let ms = 0; ms < 100; ms++) waits.push(db.call('XREAD', 'BLOCK', 20 + ms, 'STREAMS', 's', '$'))
  await db.call('SET', 'key', 'x', 'PX', 5)
  assert.equal(timers() - before, 1)
  assert.deepEqual(await Promise.all(waits), waits.map(() => null))
  assert.equal(await db.call('EXISTS', 'key'), 0)
  assert.equal(timers() - before, 0)
})

test('a time that moves further away, or comes nearer, is kept', async (t) => {
  const db = await database(t)
  await db.call('SET', 'key', 'x', 'PX', 1_000_000)
  const first = db.call('XREAD', 'BLOCK', 30, 'STREAMS', 's', '$')
  await db.call('PERSIST', 'key')
  await db.call('SET', 'other', 'x', 'PX', 10)
  assert.equal(await first, null)
  assert.equal(await db.call('EXISTS', 'key', 'other'), 1)
})

test('a deadline beyond what platforms count does not come at once', async (t) => {
  const warnings = warningsOf(t)
  const db = await database(t)
  const controller = new AbortController()
  const { signal } = controller
  for (const ms of [2 ** 31 - 1, 2 ** 31, 2 ** 31 + 5000, 2 ** 40]) {
    const waiting = db.call(['XREAD', 'BLOCK', ms, 'STREAMS', 's', '$'], { signal })
    await new Promise((resolve) => setTimeout(resolve, 15))
    assert.ok(await isPending(waiting), `${ms}`)
    waiting.catch(() => {})
  }
  controller.abort()
  await settle()
  assert.deepEqual(warnings, [])
  assert.equal(timers(), 0)
})

test('an idle time that nothing reaches sets no timer', async (t) => {
  const db = await database(t)
  const group = await db.stream('s').group('g')
  await db.stream('s').add(row)
  await group.readBatch('a')
  const before = timers()
  const reading = group.read('b')
  const asked = reading.next()
  await until(async () => (await waitingReaders(db)) === 1)
  assert.equal(timers(), before)
  await reading.return()
  await asked
})

test('a clock of one\'s own is the only clock', async (t) => {
  let now = 5000
  const db = await database(t, { clock: () => now })
  const stream = db.stream('s')
  assert.equal(await stream.add(row), '5000-0')
  assert.equal(await stream.add(row), '5000-1')
  now = 4000
  assert.equal(await stream.add(row), '5000-2')
  now = 6000.75
  assert.equal(await stream.add(row), '6000-0')
  const waiting = db.call('XREAD', 'BLOCK', 10, 'STREAMS', 's', '$')
  await db.call('PEXPIRE', 's', 3)
  await new Promise((resolve) => setTimeout(resolve, 40))
  assert.ok(await isPending(waiting))
  assert.equal(await stream.length(), 4)
  now = 6500
  // Any call lets the time pass.
  await db.call('PING')
  assert.equal(await waiting, null)
  assert.equal(await stream.length(), 0)
})

test('a clock that stands still is not asked over and over', async (t) => {
  let asked = 0
  const db = await database(t, { clock: () => (asked++, 5000) })
  const waiting = db.call('XREAD', 'BLOCK', 1, 'STREAMS', 's', '$')
  waiting.catch(() => {})
  const before = asked
  await new Promise((resolve) => setTimeout(resolve, 60))
  assert.ok(asked - before <= 3, `${asked - before} times`)
})

test('a clock that runs otherwise still ends waits', async (t) => {
  const db = await database(t, { clock: () => 1000 + performance.now() / 2 })
  assert.equal(await db.call('XREAD', 'BLOCK', 20, 'STREAMS', 's', '$'), null)
})

test('a clock that tells no time is refused', async (t) => {
  for (const time of [Number.NaN, -1, Infinity, '5', undefined]) {
    const db = await database(t, { clock: () => time })
    await assert.rejects(db.stream('s').add(row), { name: 'TypeError', message: /clock/ })
  }
})

test('a clock that fails now and then breaks nothing', async (t) => {
  let fails = false
  const clock = () => {
    if (fails) throw new Error('no time')
    return Date.now()
  }
  const db = await database(t, { clock })
  const waiting = db.call('XREAD', 'BLOCK', 5, 'STREAMS', 's', '$')
  fails = true
  await new Promise((resolve) => setTimeout(resolve, 30))
  await assert.rejects(db.call('PING'), /no time/)
  fails = false
  await db.call('PING')
  assert.equal(await waiting, null)
})

test('a process ends although somebody waits for ever, and not before a wait with an end', async () => {
  const run = async (body) => {
    const code = `import { open } from 'brooklet'\nasync function main() {\nconst db = await open()\n${body}\n}\nmain()`
    const options = { cwd: new URL('..', import.meta.url), timeout: 60_000 }
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code], options)
    return stdout
  }
  const outputs = await Promise.all([
    run("console.log('waits'); for await (const e of db.stream('s').read());"),
    run("await db.call('SET', 'k', 'v', 'EX', 100); console.log('expires')"),
    run("console.log(await db.call('XREAD', 'BLOCK', 50, 'STREAMS', 's', '$'))"),
    run("const s = db.stream('s'); const g = await s.group('g'); await s.add({ a: 1 }); await g.readBatch('a');" +
      "for await (const m of g.read('b', { claimIdle: 50, count: 1 })) console.log(m.deliveries)"),
  ])
  assert.deepEqual(outputs, ['waits\n', 'expires\n', 'null\n', '2\n'])
})

test('closing clears the timer', async () => {
  const before = timers()
  const db = await open()
  const waiting = db.call('XREAD', 'BLOCK', 100_000, 'STREAMS', 's', '$')
  assert.equal(timers(), before + 1)
  await db.close()
  assert.equal(timers(), before)
  await assert.rejects(waiting, { name: 'ClosedError' })
})
