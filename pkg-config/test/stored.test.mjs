// Databases that are stored: what waits for what, what is there afterwards, and how it ends.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  ClosedError,
  CorruptError,
  DataLossError,
  FencedError,
  LockedError,
  RedisError,
  StorageBusyError,
  StorageError,
  memory,
  open,
} from 'brooklet'
import { failure, slow } from './support/slow.mjs'
import { collect, database, isPending, settle, until } from './support/tools.mjs'

const wait = { timeout: 20_000 }

/** A storage of either kind. */
const kinds = { sync: () => memory(), async: () => slow()[0] }

for (const [kind, make] of Object.entries(kinds)) {
  test(`what was acknowledged is there when it is opened again (${kind})`, wait, async () => {
    const storage = make()
    for (const fsync of ['everysec', 'always', 'no']) {
      const db = await open({ storage, fsync })
      const stream = db.stream('s')
      const before = await stream.length()
      await stream.add({ a: '1' })
      const ids = await stream.addMany([{ a: '2' }, { a: '3' }])
      const group = await stream.group(fsync)
      const [first, second] = await collect(group.read('c', { count: 2 }))
      await first.ack()
      await db.call('SET', 'k', fsync)
      await db.close()

      const again = await open({ storage, fsync })
      assert.equal(await again.stream('s').length(), before + 3)
      assert.equal((await again.stream('s').range({ reverse: true, count: 1 }).toArray())[0].id, ids[1])
      const pending = await again.stream('s').group(fsync).then((group) => group.pending({}))
      assert.deepEqual(pending.map(({ id, consumer, deliveries }) => [id, consumer, deliveries]), [[second.id, 'c', 1]])
      assert.equal(await again.call('GET', 'k'), fsync)
      const { wasClean, epoch, isLossy } = await again.durability()
      assert.deepEqual([wasClean, epoch > 1, isLossy], [true, true, false])
      await again.close()
    }
  })

  test(`it goes on where a process that died was (${kind})`, wait, async () => {
    const storage = make()
    const db = await open({ storage })
    await db.stream('s').add({ a: '1' })
    // Nobody closes it, and another one takes it.
    const again = await open({ storage, steal: true })
    assert.equal(await again.stream('s').length(), 1)
    assert.equal((await again.durability()).wasClean, false)
    await again.close()
    await assert.rejects(db.stream('s').add({ a: '2' }), FencedError)
    await assert.rejects(db.stream('s').length(), FencedError)
  })

  test(`whoever only looks changes nothing (${kind})`, wait, async () => {
    const storage = make()
    const db = await open({ storage })
    await db.stream('s').add({ a: '1' })
    const look = await open({ storage: kind === 'sync' ? storage : { ...storage }, readOnly: true })
    assert.equal(await look.stream('s').length(), 1)
    await assert.rejects(look.stream('s').add({ a: '2' }), { code: 'READONLY' })
    await look.close()
  })
}

test('a reply waits until what it tells of is written', wait, async (t) => {
  const [storage, control] = slow()
  const db = await database(t, { storage })
  const stream = db.stream('s')
  const group = await stream.group('g')
  control.isHeld = true
  const adding = stream.add({ a: '1' })
  const length = stream.length()
  const entries = stream.range().toArray()
  const live = stream.read({ after: '0' })
  const [next, afterNext] = [live.next(), live.next()]
  const message = group.read('c').next()
  const inspection = db.inspect()
  const many = stream.addMany([{ a: '2' }, { a: '3' }])
  for (const promise of [adding, length, entries, next, afterNext, message, inspection, many]) {
    assert.ok(await isPending(promise))
  }
  assert.equal(await db.stream('other').length(), 0, 'it depends on nothing that is not written')
  assert.equal(await db.call(['XLEN', 's'], { durability: 'applied' }), 3)
  const applied = await stream.add({ a: '4' }, { durability: 'applied' })
  control.isHeld = false
  control.release()
  const id = await adding
  assert.equal(await length, 1)
  assert.equal((await entries)[0].id, id)
  assert.equal((await next).value.id, id)
  assert.equal((await message).value.id, id)
  assert.equal((await inspection).streams[0].length, 1)
  assert.equal((await many).length, 2)
  assert.equal((await afterNext).value.id, (await many)[0])
  assert.equal((await stream.range({ reverse: true, count: 1 }).toArray())[0].id, applied)
  await live.return()
})

test('an error tells of the state, too, and waits as well', wait, async (t) => {
  const [storage, control] = slow()
  const db = await database(t, { storage })
  control.isHeld = true
  const id = db.stream('s').add({ a: '1' }, { id: '1-1' })
  const refused = db.stream('s').add({ a: '1' }, { id: '1-1' })
  assert.ok(await isPending(refused))
  control.isHeld = false
  control.release()
  await assert.rejects(refused, /equal or smaller/)
  await id
})

test('calls of one task are written together', wait, async (t) => {
  const [storage, control] = slow()
  const db = await database(t, { storage })
  await db.flush()
  control.batches.length = 0
  await Promise.all(Array.from({ length: 100 }, (_, at) => db.stream('s').add({ at })))
  assert.equal(control.batches.length, 1)
})

test('levels are what was asked for', wait, async (t) => {
  const [storage, control] = slow()
  const db = await database(t, { storage, fsync: 'no' })
  const stream = db.stream('s')
  await db.sync()
  control.batches.length = 0
  await stream.add({ a: '1' })
  assert.deepEqual(control.batches.map(({ durable }) => durable), [false])
  await stream.add({ a: '1' }, { durability: 'durable' })
  assert.equal(control.batches.at(-1).durable, true)
  const [one] = await Promise.all([stream.add({ a: '1' }), db.sync()])
  const { applied, written, durable } = await db.durability()
  assert.deepEqual([written, durable], [applied, applied])
  await stream.delete(one, { durability: 'durable' })
  await db.multi([['XADD', 's', '*', 'a', 'b']], { durability: 'durable' })
  assert.equal((await db.durability()).durable, (await db.durability()).applied)
  await assert.rejects(stream.add({ a: '1' }, { durability: 'forever' }), {
    name: 'TypeError',
    message: 'durability must be applied, written or durable, not "forever"',
  })
})

test('what is flushed is placed before flush returns', wait, async (t) => {
  const [storage, control] = slow()
  const db = await database(t, { storage })
  await db.flush()
  control.isHeld = true
  db.stream('s').add({ a: '1' })
  const before = control.batches.length
  const flushed = db.flush()
  assert.equal(control.batches.length, before + 1)
  assert.ok(await isPending(flushed))
  control.isHeld = false
  control.release()
  await flushed
})

test('while the storage fails nothing is lost, and everybody is told', wait, async (t) => {
  const [storage, control] = slow()
  const db = await database(t, { storage })
  const events = []
  db.addEventListener('persist-error', (event) => events.push(event))
  db.addEventListener('persist-resumed', (event) => events.push(event))
  const stream = db.stream('s')
  await stream.add({ a: '1' })
  control.failures.push(failure('QuotaExceededError'), failure('QuotaExceededError'))
  const adding = stream.add({ a: '2' })
  await until(() => events.length === 1)
  assert.equal(events[0].type, 'persist-error')
  assert.match(events[0].error.message, /^slow failed, .*: there is no room \(QuotaExceededError: for the test\)$/)
  await assert.rejects(stream.add({ a: '3' }), (error) => error.code === 'MISCONF' && /no room/.test(error.message))
  assert.equal(await db.stream('other').length(), 0, 'reading goes on')
  await adding
  assert.equal(events.at(-1).type, 'persist-resumed')
  assert.ok(control.opened > 1)
  await stream.add({ a: '3' })
  assert.equal(await stream.length(), 3)
})

test('what failed is tried again although nobody calls', wait, async (t) => {
  const [storage, control] = slow()
  const db = await database(t, { storage })
  await db.flush()
  for (const failed of ['open', 'write']) {
    control.failures.push(failure('Error'))
    const real = storage.open
    if (failed === 'open') storage.open = async () => ((storage.open = real), Promise.reject(failure('InvalidStateError')))
    await db.stream('s').add({ failed })
  }
  // Nor has anybody to call for an answer that does not come.
  control.isHeld = true
  const adding = db.stream('s').add({ a: '1' })
  t.mock.timers.enable({ apis: ['Date', 'setTimeout'], now: Date.now() })
  await settle()
  assert.equal(control.waiting, 1)
  control.isHeld = false
  for (let second = 0; second < 12; second++) {
    t.mock.timers.tick(1000)
    await settle(5)
  }
  t.mock.timers.reset()
  await adding
})

/** A database of which nothing is written, and a value of which eight are too much. */
async function heldBack(t) {
  const [storage, control] = slow()
  const db = await database(t, { storage })
  await db.flush()
  control.isHeld = true
  return { db, stream: db.stream('s'), control, value: 'x'.repeat(1 << 20) }
}

test('thousands who wait to add are run in order, and no stack grows', wait, async (t) => {
  const { stream, control, value } = await heldBack(t)
  const adding = Array.from({ length: 9 }, () => stream.add({ value }))
  for (let at = 0; at < 20_000; at++) adding.push(stream.add({ at }))
  control.isHeld = false
  control.release()
  const ids = await Promise.all(adding)
  assert.deepEqual((await stream.range().toArray()).map(({ id }) => id), ids)
})

test('what a storage gives that makes no sense is told', wait, async () => {
  const wrong = {
    readManifest: () => 'text',
    listLog: () => ['1', '2'],
    readEpoch: () => -1,
    listParts: () => [0.5],
    readLog: () => [[1, 'bytes']],
  }
  for (const [name, give] of Object.entries(wrong)) {
    const inner = memory()
    const storage = { ...inner, open: (how) => ({ ...inner.open(how), [name]: give }) }
    await assert.rejects(async () => open({ storage }), (error) => {
      assert.ok(error instanceof StorageError && error.cause instanceof TypeError, `${name}: ${error}`)
      assert.match(error.cause.message, /^a storage must give/)
      return true
    })
  }
})

test('whoever adds waits while too much waits to be written', wait, async (t) => {
  const { db, stream, control, value } = await heldBack(t)
  const adding = []
  for (let at = 0; at < 40; at++) adding.push(stream.add({ at, value }))
  const applied = await db.call(['XLEN', 's'], { durability: 'applied' })
  assert.ok(applied >= 8 && applied <= 10, `${applied} are applied`)
  // Who does not wait is refused when there is twice as much.
  let refused
  for (let at = 0; at < 20 && refused === undefined; at++) {
    const one = stream.add({ at: 'now', value }, { durability: 'applied' })
    refused = await one.then(() => undefined, (error) => error)
  }
  assert.ok(refused instanceof StorageBusyError, String(refused))
  assert.equal(refused.code, 'BUSY')
  control.isHeld = false
  control.release()
  await Promise.all(adding)
  const order = (await stream.range().toArray()).map((entry) => entry.get('at')).filter((at) => at !== 'now')
  assert.deepEqual(order, Array.from({ length: 40 }, (_, at) => String(at)))
  await stream.addMany(Array.from({ length: 30 }, () => ({ value })))
})

test('only one has it open', wait, async (t) => {
  const storage = memory()
  const db = await database(t, { storage })
  await assert.rejects(async () => open({ storage }), (error) => {
    assert.ok(error instanceof LockedError)
    assert.match(error.message, /open already/)
    return true
  })
  await db.call('PING')
})

test('what is damaged is refused, and what comes before it can be saved', wait, async () => {
  const storage = memory()
  const db = await open({ storage })
  for (let at = 0; at < 10; at++) await db.stream('s').add({ at })
  await db.close()
  const damaged = {
    ...storage,
    open(how) {
      const connection = storage.open(how)
      return {
        ...connection,
        readLog(from, bytesMax) {
          const page = connection.readLog(from, bytesMax)
          return page.map(([sequence, bytes]) => [sequence, sequence === 6 ? bytes.fill(0, 70) : bytes])
        },
      }
    },
  }
  await assert.rejects(async () => open({ storage: damaged }), (error) => {
    assert.ok(error instanceof CorruptError && error instanceof StorageError)
    assert.match(error.message, /^memory: the log is whole up to chunk 5, .*open with onCorruption: 'salvage'$/)
    return true
  })
  const saved = await open({ storage: damaged, onCorruption: 'salvage' })
  assert.equal(await saved.stream('s').length(), 4)
  const { isLossy, losses } = await saved.durability()
  assert.equal(isLossy, true)
  assert.match(losses[0], /quarantine/)
  await saved.stream('s').add({ a: '1' })
  await saved.close()
  const again = await open({ storage })
  assert.equal(await again.stream('s').length(), 5)
  assert.equal((await again.durability()).isLossy, true)
  await again.close()
})

test('what was erased is missed', wait, async () => {
  const storage = memory()
  const db = await open({ storage })
  await db.stream('s').add({ a: '1' })
  await db.close()
  const witness = storage.readWitness()
  storage.destroy()
  storage.writeWitness(witness)
  await assert.rejects(async () => open({ storage }), (error) => {
    assert.ok(error instanceof DataLossError)
    assert.match(error.message, /it was erased. To go on without it, open with onDataLoss: 'accept'$/)
    return true
  })
  const accepted = await open({ storage, onDataLoss: 'accept' })
  assert.equal(await accepted.stream('s').length(), 0)
  assert.equal((await accepted.durability()).losses.length, 1)
  await accepted.destroy()
  const anew = await open({ storage })
  assert.deepEqual((await anew.durability()).losses, [])
  await anew.close()
})

test('what the storage says when it cannot be opened is told', wait, async () => {
  const broken = { ...memory(), sync: false, open: async () => Promise.reject(new Error('no disk')) }
  const db = open({ storage: broken })
  const early = db.stream('s').add({ a: '1' })
  await assert.rejects(async () => db, (error) => {
    assert.ok(error instanceof StorageError)
    assert.equal(error.message, 'memory: the storage failed while opening: it could not read or write. Open again')
    assert.equal(error.cause.message, 'no disk')
    return true
  })
  await assert.rejects(early, StorageError)
  await db.close()
})

test('closing waits until everything is stored', wait, async () => {
  const [storage, control] = slow()
  const db = await open({ storage })
  control.isHeld = true
  const adding = db.stream('s').add({ a: '1' })
  const closing = db.close()
  assert.ok(await isPending(closing))
  await assert.rejects(db.stream('s').length(), ClosedError)
  control.isHeld = false
  control.release()
  await closing
  await adding
  const again = await open({ storage })
  assert.equal(await again.stream('s').length(), 1)
  await again.close()
})

test('closing says so if the last writes cannot be stored', wait, async () => {
  const [storage, control] = slow()
  const db = await open({ storage })
  await db.flush()
  control.failures.push(...Array.from({ length: 100 }, () => failure('Error', 'no disk')))
  const adding = db.stream('s').add({ a: '1' })
  adding.catch(() => {})
  await assert.rejects(db.close(), (error) => {
    assert.ok(error instanceof StorageError)
    assert.match(error.message, /^slow fails, and the last writes, which were not acknowledged, are not stored$/)
    return true
  })
  await assert.rejects(adding, StorageError)
  // The next one may have it.
  control.failures.length = 0
  await (await open({ storage })).close()
})

test('an opening that nobody waits for is closed at once', wait, async () => {
  const [storage] = slow()
  const never = { ...storage, lock: () => new Promise(() => {}) }
  const db = open({ storage: never, wait: true })
  await settle()
  await db.close()
  await assert.rejects(async () => db, ClosedError)
})

test('what is called before it is open is run in order', wait, async (t) => {
  const [storage] = slow()
  const db = open({ storage })
  const calls = [db.stream('s').add({ a: '1' }), db.stream('s').add({ a: '2' }), db.stream('s').length(), db.flush()]
  t.after(() => db.close())
  const [one, two, length] = await Promise.all(calls)
  assert.ok(one < two || one.length < two.length)
  assert.equal(length, 2)
})

test('options of a storage are refused where there is none', async () => {
  assert.throws(() => open({ fsync: 'no' }), { message: 'fsync without a storage must be left out, not "no"' })
  assert.throws(() => open({ storage: {} }), { message: /^storage must be a storage/ })
  assert.throws(() => open({ storage: memory(), fsync: 'now' }), { message: /^fsync must be always, everysec or no/ })
  assert.throws(() => open({ storage: memory(), wait: -1 }), { message: /^wait must be true, false or milliseconds/ })
  const db = await open()
  assert.equal(await db.durability(), null)
  await db.sync()
  await db.destroy()
})

test('what is stored does not grow without bound', wait, async (t) => {
  const storage = memory()
  const db = await database(t, { storage })
  const stream = db.stream('s')
  for (let round = 0; round < 20; round++) {
    const rows = Array.from({ length: 2000 }, (_, at) => ({ at, text: 'some text for the entry' }))
    await stream.addMany(rows, { maxLen: 1000 })
  }
  await until(async () => (await db.durability()).snapshots > 0)
  const { logBytes, snapshotBytes } = await db.durability()
  assert.ok(logBytes < 3 << 20 && snapshotBytes < 1 << 20, `${logBytes} and ${snapshotBytes} bytes`)
  await db.close()
  const again = await open({ storage })
  assert.equal(await again.stream('s').length(), 1000)
  await again.close()
})

test('a RedisError is none of the storage', async (t) => {
  const db = await database(t, { storage: memory() })
  await assert.rejects(db.call('NOSUCH'), (error) => error instanceof RedisError && !(error instanceof StorageError))
})

test('a database can be carried away and read into another one', wait, async (t) => {
  let now = 1_000_000
  const clock = () => now
  const db = await database(t, { storage: memory(), clock })
  const stream = db.stream('s')
  await stream.addMany(Array.from({ length: 500 }, (_, at) => ({ at, text: 'x'.repeat(at) })))
  const group = await stream.group('g')
  await collect(group.read('c', { count: 3 }))
  await db.call('SET', Uint8Array.of(0xff, 0), 'bytes', 'PX', 5000)
  await db.call('SET', 'text', 'é')
  const snapshot = db.exportSnapshot()
  // What happens before somebody reads is in it, and what happens then is not.
  await stream.delete((await stream.range({ count: 1 }).toArray())[0].id)
  const reader = snapshot.getReader()
  const pieces = [(await reader.read()).value]
  await stream.add({ too: 'late' })
  for (let next = await reader.read(); !next.done; next = await reader.read()) pieces.push(next.value)

  now += 1000
  const other = await database(t, { clock })
  assert.equal(await other.importSnapshot(pieces), 3)
  const entries = await other.stream('s').range().toArray()
  assert.deepEqual(entries, (await stream.range().toArray()).slice(0, -1))
  const pending = await other.stream('s').group('g').then((group) => group.pending({}))
  assert.deepEqual(pending.map(({ id }) => id), (await group.pending({})).map(({ id }) => id))
  assert.equal(await other.call('PTTL', Uint8Array.of(0xff, 0)), 4000)
  assert.equal(await other.call('GET', 'text'), 'é')
  await assert.rejects(other.importSnapshot(pieces), { code: 'BUSYKEY' })
  assert.equal(await other.importSnapshot(new Blob(pieces).stream(), { replace: true }), 3)

  // Whatever is damaged is noticed before anything is restored.
  const whole = Buffer.concat(pieces)
  const empty = await database(t)
  for (let length = 0; length < whole.length; length += length < 100 ? 1 : 997) {
    await assert.rejects(empty.importSnapshot([whole.subarray(0, length)]), CorruptError, `${length} bytes`)
  }
  await assert.rejects(empty.importSnapshot([whole, Uint8Array.of(0)]), CorruptError)
  await assert.rejects(empty.importSnapshot(['text']), TypeError)
  assert.equal((await empty.inspect()).streams.length, 0)
  const name = whole.indexOf('\x04\0\0\0text') + 4
  const renamed = Buffer.from(whole)
  renamed[name] ^= 1
  await assert.rejects(empty.importSnapshot([renamed]), /damaged/)
  const dumped = Buffer.from(whole)
  dumped[whole.length >> 1] ^= 1
  await assert.rejects(empty.importSnapshot([dumped]), /checksum/)
})

test('an empty database can be carried away, too', wait, async (t) => {
  const db = await database(t)
  const other = await database(t, { storage: memory() })
  assert.equal(await other.importSnapshot(db.exportSnapshot()), 0)
})
