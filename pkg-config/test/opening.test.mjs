// Before the engine is ready, when it cannot be, and when it is over.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import * as brooklet from 'brooklet'
import { open } from 'brooklet'
import * as slim from 'brooklet/slim'
import { CALLS, objectsOf, perform } from './support/calls.mjs'
import { bytes, settle } from './support/tools.mjs'

const row = { a: 'x' }
const wasm = readFileSync(new URL('../dist/engine.wasm', import.meta.url))

test('a handle is usable at once, and calls are run in order', async () => {
  const db = open()
  const stream = db.stream('s')
  // Their IDs only fit in this order.
  const calls = [
    stream.add(row, { id: '1-1' }),
    db.call('XADD', 's', '2-1', 'a', 'b'),
    stream.addMany([row, row], { id: '3-*' }),
    db.multi([['XADD', 's', '4-1', 'a', 'b']]),
    stream.length(),
    stream.range().toArray(),
    db.inspect(),
    stream.group('g'),
    stream.writable().getWriter().write({ last: 'x' }),
  ]
  const results = await Promise.all(calls)
  assert.deepEqual(results.slice(0, 5), ['1-1', '2-1', ['3-0', '3-1'], ['4-1'], 5])
  assert.equal(results[5].length, 5)
  assert.equal(results[6].streams[0].length, 5)
  assert.equal(await stream.length(), 6)
  await db.close()
})

test('a call that comes just when the engine is ready gets behind those that waited', async () => {
  const db = open()
  const stream = db.stream('s')
  const early = []
  for (let n = 0; n < 10; n++) early.push(stream.add({ n }))
  // As soon as anything says that it is ready.
  const late = db.then(() => stream.add({ n: 'late' }))
  await Promise.all([...early, late])
  const entries = await stream.range().toArray()
  assert.deepEqual(entries.map((entry) => entry.get('n')), [...Array.from({ length: 10 }, (_, n) => String(n)), 'late'])
  await db.close()
})

test('bytes may change once the call is made', async () => {
  const db = open()
  const [value, name] = [bytes(1, 0xff), bytes(2, 0xff)]
  const stream = db.stream(name)
  const add = (id) => ['XADD', name, id, 'f', value]
  const calls = [db.call(...add('1-1')), db.multi([add('2-1')]), stream.add({ f: value })]
  value.fill(0)
  name.fill(0)
  await Promise.all(calls)
  const entries = await stream.range().toArray()
  assert.deepEqual(entries.map((entry) => entry.get('f')), Array.from({ length: 3 }, () => bytes(1, 0xff)))
  assert.deepEqual(stream.name, bytes(2, 0xff))
  await db.close()
})

test('what is read before the engine is ready can be left', async () => {
  const db = open()
  const reading = db.stream('s').read({ after: '0' })
  const asked = reading.next()
  await reading.return()
  assert.equal((await asked).done, true)
  const controller = new AbortController()
  const called = db.call(['XREAD', 'BLOCK', 0, 'STREAMS', 's', '$'], { signal: controller.signal })
  controller.abort()
  await assert.rejects(called, { name: 'AbortError' })
  assert.equal((await db.inspect()).waitingReaders, 0)
  await db.close()
})

test('databases share nothing', async () => {
  const [one, other] = await Promise.all([open(), open()])
  await one.stream('s').add(row)
  assert.equal(await other.stream('s').length(), 0)
  await one.close()
  await other.stream('s').add(row)
  assert.equal(await other.stream('s').length(), 1)
  await other.close()
})

test('an awaited database is no promise', async () => {
  const db = await open()
  assert.equal('then' in db, false)
  assert.equal(await db, db)
  await db.close()
})

test('closing lets earlier calls finish, and refuses later ones', async () => {
  for (const isReady of [false, true]) {
    const db = open()
    if (isReady) await db
    const stream = db.stream('s')
    const before = stream.add(row, { id: '1-1' })
    const closing = db.close()
    const after = stream.add(row)
    assert.equal(db.close(), closing)
    assert.equal(await before, '1-1')
    await assert.rejects(after, { name: 'ClosedError' })
    await closing
    await db.close()
    const calls = [
      () => db.call('PING'),
      () => db.multi([['PING']]),
      () => db.inspect(),
      () => db.flush(),
      () => db.configure({}),
      () => stream.addMany([row]),
      () => stream.range().toArray(),
      () => stream.read().next(),
      () => stream.group('g'),
      () => db.read([{ stream }]).next(),
    ]
    for (const call of calls) await assert.rejects(call(), brooklet.ClosedError, String(call))
  }
})

test('every method refuses to be called after closing', async () => {
  for (const [method, [words]] of Object.entries(CALLS)) {
    const db = await open()
    const objects = await objectsOf(db)
    await db.close()
    await assert.rejects(perform(objects, method, words), { name: 'ClosedError' }, method)
  }
})

test('a database closes itself at the end of its block', async () => {
  const db = open()
  await db[Symbol.asyncDispose ?? Symbol.for('none')]?.()
  if (Symbol.asyncDispose !== undefined) await assert.rejects(db.call('PING'), { name: 'ClosedError' })
  else await db.close()
})

test('the slim entry takes the module in any form', async () => {
  const module = await WebAssembly.compile(wasm)
  const response = () => new Response(wasm, { headers: { 'content-type': 'application/wasm' } })
  const buffer = wasm.buffer.slice(wasm.byteOffset, wasm.byteOffset + wasm.byteLength)
  const address = `data:application/wasm;base64,${wasm.toString('base64')}`
  const sources = [wasm, buffer, module, response(), Promise.resolve(response()), address, new URL(address)]
  for (const source of sources) {
    const db = await slim.open({ wasm: source, nodeEntriesMax: 3 })
    assert.equal(await db.call('PING'), 'PONG')
    await db.close()
  }
})

test('a database that cannot be opened says why, to everybody', async () => {
  const failing = [
    () => Uint8Array.of(1, 2, 3),
    () => new Response('nothing here', { status: 404 }),
    () => Promise.reject(new Error('offline')),
  ]
  for (const wasm of failing) {
    const db = slim.open({ wasm: wasm() })
    const calls = [db.stream('s').add(row), db.call('PING'), db.inspect(), db.stream('s').read({ after: '0' }).next()]
    const reason = await db.then(assert.fail, (reason) => reason)
    assert.ok(reason instanceof Error)
    for (const call of calls) await assert.rejects(call, reason)
    await assert.rejects(db.call('PING'), reason)
    await db.close()
  }
  // One that nobody looks at breaks nothing.
  slim.open({ wasm: Uint8Array.of(1) })
  await settle()
})

test('a database that cannot be opened can be closed', async () => {
  const db = slim.open({ wasm: Uint8Array.of(1, 2, 3) })
  const call = db.call('PING')
  await db.close()
  await assert.rejects(call)
  await assert.rejects(db.call('PING'))
})
