// When the engine fails: everybody is told, nothing is called any more, and nobody else is touched.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { open as openInline } from 'brooklet'
import { EngineError, EngineRestartedError, memory, open } from 'brooklet/slim'
import { CALLS, objectsOf, perform } from './support/calls.mjs'
import { settle, until, waitingReaders } from './support/tools.mjs'

const wasm = await WebAssembly.compile(readFileSync(new URL('../dist/engine.wasm', import.meta.url)))

/** A module whose function `fail` traps. */
const trap = new WebAssembly.Module(
  Uint8Array.from([
    ...[0, 97, 115, 109, 1, 0, 0, 0],
    ...[1, 4, 1, 96, 0, 0],
    ...[3, 2, 1, 0],
    ...[7, 8, 1, 4, 102, 97, 105, 108, 0, 0],
    ...[10, 5, 1, 3, 0, 0, 11],
  ]),
)

/** A database whose engine traps in one of these methods once it is told to. */
async function fragile(...methods) {
  const [db, calls, mend] = await fragileWith({}, ...methods)
  mend()
  return [db, calls]
}

/** The same with options. Every engine is so until `mend` is called. */
async function fragileWith({ left = Infinity, ...options }, ...methods) {
  const { Instance } = WebAssembly
  const { fail } = new Instance(trap).exports
  const calls = { left, after: 0 }
  WebAssembly.Instance = function (module, imports) {
    const { exports } = new Instance(module, imports)
    const wrapped = { ...exports }
    for (const [name, run] of Object.entries(exports)) {
      if (typeof run !== 'function') continue
      wrapped[name] = (...words) => {
        if (calls.left < 0) calls.after++
        if (methods.includes(name.replace('door_', '')) && calls.left-- <= 0) fail()
        return run(...words)
      }
    }
    return { exports: wrapped }
  }
  const mend = () => {
    WebAssembly.Instance = Instance
  }
  try {
    return [await open({ wasm, ...options }), calls, mend]
  } catch (error) {
    mend()
    throw error
  }
}

const isFailure = (error) => {
  assert.ok(error instanceof EngineError, String(error))
  assert.equal(error.name, 'EngineError')
  assert.ok(error.cause instanceof WebAssembly.RuntimeError, String(error.cause))
  return true
}

test('after a trap everybody is told, and nothing is called any more', async () => {
  const [db, calls] = await fragile('call')
  const other = await open({ wasm })
  const stream = db.stream('s')
  const group = await stream.group('g')
  await stream.addMany([{ a: 1 }, { a: 2 }, { a: 3 }, { a: 4 }])
  const reading = group.read('c')
  await reading.next()
  await reading.next()
  const waits = [stream.read().next(), db.call('XREAD', 'BLOCK', 0, 'STREAMS', 's', '$')]
  await until(async () => (await waitingReaders(db)) === 2)
  calls.left = 0
  await assert.rejects(stream.add({ a: 1 }), isFailure)
  for (const wait of waits) await assert.rejects(wait, isFailure)
  const later = [
    () => db.call('PING'),
    () => db.multi([['PING']]),
    () => db.inspect(),
    () => db.configure({ memoryBytesMax: 5 }),
    () => stream.range().toArray(),
    () => stream.addMany([{ a: 1 }]),
    () => group.ack('1-1'),
    () => stream.read({ after: '0' }).next(),
    () => reading.next(),
  ]
  for (const call of later) await assert.rejects(call(), isFailure, String(call))
  assert.equal(calls.after, 0)
  await db.close()
  // Another database has an engine of its own.
  assert.equal(await other.call('PING'), 'PONG')
  await other.close()
})

test('every method tells of a trap, when it happens and afterwards', async () => {
  for (const [method, [words]] of Object.entries(CALLS)) {
    for (const isAfter of [false, true]) {
      const [db, calls] = await fragile('call', 'exec')
      const objects = await objectsOf(db)
      calls.left = 0
      if (isAfter) await assert.rejects(db.call('PING'), isFailure)
      await assert.rejects(perform(objects, method, words), isFailure, method)
      assert.equal(calls.after, 0, method)
    }
  }
})

test('a trap between two calls is told, too', async () => {
  for (const method of ['exec', 'take', 'advance', 'cancel', 'configure', 'names']) {
    const [db, calls] = await fragile(method)
    const controller = new AbortController()
    const wait = db.call(['XREAD', 'BLOCK', 30, 'STREAMS', 's', '$'], { signal: controller.signal })
    await settle()
    calls.left = 0
    const actions = {
      exec: () => db.multi([['PING']]),
      take: () => db.call('PING'),
      cancel: () => controller.abort(),
      configure: () => db.configure({ memoryBytesMax: 5 }),
      names: () => db.inspect(),
    }
    const acting = (async () => actions[method]?.())()
    acting.catch(() => {})
    await assert.rejects(wait, (error) => error.name === 'AbortError' || isFailure(error), method)
    await settle()
    await assert.rejects(db.call('PING'), isFailure, method)
    assert.equal(calls.after, 0, method)
  }
})

test('without random numbers there is no database', async () => {
  const before = Object.getOwnPropertyDescriptor(globalThis, 'crypto')
  const failing = () => {
    throw new Error('no randomness here')
  }
  const platforms = [undefined, {}, { getRandomValues: undefined }, { getRandomValues: failing }]
  for (const platform of platforms) {
    for (const begin of [() => open({ wasm }), () => openInline()]) {
      Object.defineProperty(globalThis, 'crypto', { value: platform, configurable: true })
      const db = begin()
      try {
        const early = [db.stream('s').add({ a: 1 }), db.call('PING'), db.stream('s').read().next()]
        const reason = await db.then(assert.fail, (reason) => reason)
        assert.ok(reason instanceof Error)
        assert.equal(reason.message, 'brooklet needs crypto.getRandomValues, which this platform does not have')
        for (const call of early) await assert.rejects(call, (error) => error === reason)
      } finally {
        Object.defineProperty(globalThis, 'crypto', before)
      }
      await assert.rejects(db.call('PING'), /crypto.getRandomValues/)
      await db.close()
    }
  }
  // What could not be opened leaves nothing behind.
  const db = await open({ wasm })
  assert.equal(await db.call('PING'), 'PONG')
  await db.close()
})

test('an engine that is stored is made anew', async () => {
  const storage = memory()
  const [db, calls, mend] = await fragileWith({ storage }, 'call')
  mend()
  const stream = db.stream('s')
  const group = await stream.group('g')
  await stream.addMany([{ a: 1 }, { a: 2 }])
  const messages = group.read('c')
  const first = await messages.next()
  const signal = new AbortController()
  const aborted = db.call(['XREAD', 'BLOCK', 0, 'STREAMS', 'other', '0'], { signal: signal.signal })
  const waits = [stream.read().next(), db.call('XREAD', 'BLOCK', 0, 'STREAMS', 's', '$')]
  await until(async () => (await waitingReaders(db)) === 3)
  calls.left = 0
  await assert.rejects(stream.add({ a: 3 }), (error) => {
    assert.ok(error instanceof EngineRestartedError && error.cause instanceof WebAssembly.RuntimeError)
    assert.match(error.message, /^the engine failed and is made anew from what is stored; .*unreachable/)
    return true
  })
  // Calls and readers go on with what is stored.
  assert.equal(await stream.length(), 2)
  assert.equal(await waitingReaders(db), 3)
  signal.abort(new Error('enough'))
  await assert.rejects(aborted, /enough/)
  const id = await stream.add({ a: 3 })
  assert.equal((await waits[0]).value.id, id)
  assert.equal((await waits[1])[0][1][0][0], id)
  assert.equal(await first.value.ack(), true)
  assert.equal((await messages.next()).value.get('a'), '2')
  await messages.return()
  await db.close()
})

test('an engine that fails again and again is given up', async () => {
  const [db, calls, mend] = await fragileWith({ storage: memory() }, 'call')
  calls.left = Infinity
  const outcomes = []
  for (let time = 0; time < 6; time++) {
    await db.call('PING').catch(() => {})
    calls.left = 0
    outcomes.push(await db.call('PING').catch(({ name }) => name))
    calls.left = Infinity
  }
  mend()
  const restarted = Array.from({ length: 4 }, () => 'EngineRestartedError')
  assert.deepEqual(outcomes, [...restarted, 'EngineError', 'EngineError'])
  await db.close()
})

test('an engine that fails while it is opened is not tried again', async () => {
  for (const method of ['open', 'drive']) {
    await assert.rejects(fragileWith({ storage: memory(), left: 0 }, method), (error) => {
      assert.ok(error.cause instanceof WebAssembly.RuntimeError, `${method}: ${error}`)
      return true
    })
  }
})
