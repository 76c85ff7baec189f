// The storage that fails when it is told to, and the clock that is moved by hand.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeFiles } from 'brooklet/node'
import { faults, memory, virtualClock } from 'brooklet/testing'
import { CLAIM, chunks, directoryOf, NOTHING, own } from './support/storages.mjs'
import { isPending } from './support/tools.mjs'

const bytes = (...values) => Uint8Array.from(values)
const open = (storage) => storage.open({ newSegment: false, readOnly: false })

/** A storage with the chunks 1 to 4, of which two are durable, a part and a manifest. */
async function filled(storage) {
  const connection = await own(storage)
  await connection.write({ ...chunks([1, bytes(1)], [2, bytes(2)]), manifest: bytes(7), parts: [[5, bytes(5)]], durable: true })
  await connection.write(chunks([3, bytes(3)]))
  await connection.write(chunks([4, bytes(4, 4)]))
  return connection
}

async function sequencesIn(storage) {
  const connection = await open(storage)
  const page = await connection.readLog(0, Infinity)
  return page.map(([sequence]) => sequence)
}

test('an operation fails as it is told, and then no more', async () => {
  const storage = faults(memory())
  const connection = await own(storage)
  const expected = { io: /it failed/, quota: { name: 'QuotaExceededError' } }
  for (const [kind, reason] of Object.entries(expected)) {
    storage.inject('write', { with: kind, skip: 1, times: 2 })
    const write = () => connection.write(NOTHING)
    write()
    for (let time = 0; time < 2; time++) assert.throws(write, reason)
    write()
  }
  storage.inject('sync', { with: 'io', times: Infinity })
  connection.write(NOTHING)
  for (let time = 0; time < 5; time++) assert.throws(() => connection.write({ ...NOTHING, durable: true }))
  storage.heal()
  connection.write({ ...NOTHING, durable: true })
  // What failed was not done.
  storage.inject('write', { with: 'io' })
  assert.throws(() => connection.write(chunks([1, bytes(1)])))
  assert.equal(connection.listLog(), null)
})

test('every operation can fail, and is counted', async () => {
  const storage = faults(memory())
  const calls = {
    lock: () => storage.lock({ wait: 0, steal: true }),
    open: () => open(storage),
    readWitness: () => storage.readWitness(),
    writeWitness: () => storage.writeWitness(bytes(1)),
  }
  const connected = {
    readManifest: (connection) => connection.readManifest(),
    readEpoch: (connection) => connection.readEpoch(),
    listLog: (connection) => connection.listLog(),
    readLog: (connection) => connection.readLog(0, 0),
    listParts: (connection) => connection.listParts(),
    readParts: (connection) => connection.readParts([]),
    write: (connection) => connection.write(CLAIM),
  }
  for (const [name, call] of Object.entries(connected)) calls[name] = () => call(open(storage))
  for (const [name, call] of Object.entries(calls)) {
    call()
    storage.inject(name, { with: 'io' })
    assert.throws(call, /it failed/, name)
    assert.equal(storage.counts[name], name === 'open' ? storage.counts.open : 2, name)
  }
  assert.deepEqual(Object.keys(storage.counts).toSorted(), [...Object.keys(calls), 'sync'].toSorted())
})

test('what landed is there although it failed', async () => {
  const storage = faults(memory())
  const connection = await own(storage)
  storage.inject('write', { with: 'io', landed: true })
  assert.throws(() => connection.write(chunks([1, bytes(1)])), /it failed/)
  assert.deepEqual(connection.listLog(), [1, 1])
})

test('a connection that was closed stays so until it is opened again', async () => {
  const storage = faults(memory())
  const connection = await own(storage)
  storage.inject('listLog', { with: 'closed' })
  for (let time = 0; time < 3; time++) assert.throws(() => connection.listLog(), { name: 'InvalidStateError' })
  assert.throws(() => connection.write(NOTHING), { name: 'InvalidStateError' })
  assert.equal((await open(storage)).listLog(), null)
})

test('an answer never comes, or late', async () => {
  const storage = faults(memory(), { sync: false })
  assert.equal(storage.sync, false)
  const connection = await own(storage)
  storage.inject('write', { with: 'hang' })
  storage.inject('write', { with: 'hang', landed: true })
  storage.inject('write', { with: 'slow', ms: 1 })
  const hanging = [1, 2].map((sequence) => connection.write(chunks([sequence, bytes(sequence)])))
  await connection.write(chunks([3, bytes(3)]))
  for (const one of hanging) assert.ok(await isPending(one))
  assert.deepEqual(await connection.listLog(), [2, 3])
  assert.throws(() => faults(memory()).inject('write', { with: 'hang' }), { name: 'TypeError', message: /cannot be late/ })
})

test('a power cut takes what is not durable', async (t) => {
  for (const inner of [memory(), nodeFiles(directoryOf(t))]) {
    const storage = faults(inner)
    await filled(storage)
    await storage.writeWitness(bytes(9))
    await storage.lose()
    assert.deepEqual(await sequencesIn(storage), [1, 2], inner.name)
    const connection = await open(storage)
    assert.deepEqual(await connection.readManifest(), bytes(7))
    assert.deepEqual(await connection.readParts([5]), [bytes(5)])
    assert.equal(await connection.readEpoch(), 1)
    assert.deepEqual(await storage.readWitness(), bytes(9))
    // A durable batch makes durable everything before it, and a failed one nothing.
    await connection.write(chunks([3, bytes(3)]))
    storage.inject('sync', { with: 'io' })
    await assert.rejects(async () => connection.write({ ...NOTHING, durable: true }))
    await storage.lose()
    assert.deepEqual(await sequencesIn(storage), [1, 2])
    const last = await open(storage)
    await last.write(chunks([3, bytes(3)]))
    await last.write({ ...NOTHING, durable: true })
    await storage.lose()
    assert.deepEqual(await sequencesIn(storage), [1, 2, 3])
  }
  await assert.rejects(faults({ ...memory(), destroy: undefined }).lose(), /can be destroyed/)
})

test('stored values are erased, flipped, torn, and vanish', async () => {
  const storage = faults(memory())
  await filled(storage)
  await storage.hole(2)
  assert.deepEqual(await sequencesIn(storage), [1, 3, 4])
  await storage.tear(1)
  await storage.flip({ chunk: 3 }, 7)
  await storage.flip({ part: 5 }, 0)
  await storage.flip('manifest', 3)
  const connection = await open(storage)
  assert.deepEqual(connection.readLog(3, Infinity), [[3, bytes(131)], [4, bytes(4)]])
  assert.deepEqual(connection.readParts([5]), [bytes(4)])
  assert.deepEqual(connection.readManifest(), bytes(15))
  await assert.rejects(storage.flip({ chunk: 2 }, 0), { name: 'RangeError', message: /no such value: {"chunk":2}/ })
  await storage.writeWitness(bytes(9))
  await storage.erase()
  assert.deepEqual(await sequencesIn(storage), [])
  assert.deepEqual(storage.readWitness(), bytes(9))
  await storage.lose()
  assert.deepEqual(await sequencesIn(storage), [])
})

test('a clock stands still until it is moved', () => {
  const clock = virtualClock(1000)
  assert.equal(clock(), 1000)
  clock.advance(500)
  assert.equal(clock(), 1500)
  clock.set(200)
  assert.equal(clock(), 200)
  assert.ok(virtualClock()() > 0)
})
