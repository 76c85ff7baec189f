// A method for each command: what it sends, what it gives back.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytes, collect, database } from './support/tools.mjs'

const row = { a: 'x' }

async function filled(t, count = 3, options) {
  const db = await database(t, options)
  const stream = db.stream('s')
  for (let ms = 1; ms <= count; ms++) await stream.add({ n: ms }, { id: `${ms}-1` })
  return { db, stream }
}

const idsOf = (entries) => entries.map(({ id }) => id)

test('add has the options of XADD', async (t) => {
  let now = 5000
  const db = await database(t, { clock: () => now })
  const stream = db.stream('s')
  assert.equal(await stream.add(row, { noMkStream: true }), null)
  assert.equal(await db.call('EXISTS', 's'), 0)
  assert.equal(await stream.add(row), '5000-0')
  assert.equal(await stream.add(row, { id: '6000-*' }), '6000-0')
  assert.equal(await stream.add(row, { id: '7000-3', noMkStream: true }), '7000-3')
  await assert.rejects(stream.add(row, { id: '1-1' }), { code: 'ERR', message: /equal or smaller/ })
  assert.equal(await stream.add(row, { maxLen: 2 }), '7000-4')
  assert.equal(await stream.length(), 2)
  assert.equal(await stream.add(row, { minId: '7000-4' }), '7000-5')
  assert.deepEqual(idsOf(await stream.range().toArray()), ['7000-4', '7000-5'])
  assert.equal(await stream.add(row, { maxLen: 0, approx: true, limit: 1 }), '7000-6')
  assert.equal(await stream.length(), 3)
  await assert.rejects(stream.add(row, { maxLen: 0, limit: 1 }), { code: 'ERR', message: /LIMIT/ })
})

test('add keeps, deletes or respects references', async (t) => {
  const { stream } = await filled(t, 2)
  const group = await stream.group('g')
  await group.readBatch('c', { count: 2 })
  await stream.add(row, { maxLen: 1, refs: 'ACKED' })
  assert.equal(await stream.length(), 3)
  await stream.add(row, { maxLen: 3, refs: 'KEEPREF' })
  assert.equal((await group.pending()).total, 2)
  await stream.add(row, { maxLen: 3, refs: 'DELREF' })
  assert.equal((await group.pending()).total, 1)
})

test('add appends once for a producer', async (t) => {
  const { stream } = await filled(t, 0)
  const first = await stream.add(row, { idempotent: { producer: 'p', id: '1' } })
  assert.equal(await stream.add({ b: 'y' }, { idempotent: { producer: 'p', id: '1' } }), first)
  assert.notEqual(await stream.add(row, { idempotent: { producer: bytes(0xff), id: '1' } }), first)
  const auto = await stream.add(row, { idempotent: { producer: 'q' } })
  assert.equal(await stream.add(row, { idempotent: { producer: 'q' } }), auto)
  assert.equal(await stream.length(), 3)
  await stream.recordIdempotent('r', '9', auto)
  assert.equal(await stream.add(row, { idempotent: { producer: 'r', id: '9' } }), auto)
  assert.equal((await stream.info()).iidsDuplicates, 3)
  await stream.configure({ idempotentSeconds: 5, idempotentEntriesMax: 7 })
  const { idmpDuration, idmpMaxsize, iidsTracked } = await stream.info()
  assert.deepEqual([idmpDuration, idmpMaxsize, iidsTracked], [5, 7, 0])
})

test('add with the last ID appends if nobody was faster', async (t) => {
  const { stream } = await filled(t, 0)
  const first = await stream.add(row, { ifLastId: '0-0' })
  const second = await stream.add(row, { ifLastId: first })
  await assert.rejects(stream.add(row, { ifLastId: first }), { name: 'RedisError', code: 'LASTID' })
  assert.deepEqual(idsOf(await stream.range().toArray()), [first, second])
  assert.equal(await stream.add(row, { ifLastId: second, id: '99999999999999-5' }), '99999999999999-5')
})

test('addMany keeps the order of rows, with the same options', async (t) => {
  const { db, stream } = await filled(t, 0)
  const rows = Array.from({ length: 5000 }, (_, n) => ({ n }))
  const ids = await stream.addMany(rows)
  assert.equal(new Set(ids).size, rows.length)
  const entries = await stream.range().toArray()
  assert.deepEqual(idsOf(entries), ids)
  assert.deepEqual(entries.map((entry) => Number(entry.get('n'))), rows.map(({ n }) => n))
  assert.deepEqual(await stream.addMany([]), [])
  await stream.addMany(rows, { maxLen: 10 })
  assert.equal(await stream.length(), 10)
  assert.deepEqual(await db.stream('none').addMany([row, row], { noMkStream: true }), [null, null])
  // Rows of different shapes, one after the other.
  await stream.addMany([{ a: 1, b: 2, c: 3 }, { a: 1 }, [['x', 'y'], ['x', 'z']]])
  const last = (await stream.range({ reverse: true, count: 3 }).toArray()).reverse()
  assert.deepEqual(last.map(({ pairs }) => pairs.length), [3, 1, 2])
})

test('addMany that fails says which rows were added', async (t) => {
  const { stream } = await filled(t, 0)
  await stream.addMany([row, row], { id: '5-*' })
  const error = await stream.addMany([row, row, row], { ifLastId: '1-1' }).catch((error) => error)
  assert.equal(error.name, 'TypeError')
  const rows = [row, row, { [Symbol.iterator]: undefined }]
  const failed = await stream.addMany(rows, { id: '5-*' }).catch((error) => error)
  assert.equal(failed.name, 'TypeError')
  assert.equal(await stream.length(), 4)
  const refused = await stream.addMany([row, row], { id: '6-0' }).catch((error) => error)
  assert.equal(refused.code, 'ERR')
  assert.deepEqual(refused.ids, ['6-0'])
})

test('addMany lets other tasks run', async (t) => {
  const { stream } = await filled(t, 0)
  let tasks = 0
  const other = setInterval(() => tasks++, 1)
  t.after(() => clearInterval(other))
  await stream.addMany(Array.from({ length: 100_000 }, () => row))
  assert.ok(tasks > 3, `${tasks} tasks ran meanwhile`)
})

test('range reads what is there', async (t) => {
  const { db, stream } = await filled(t, 300)
  const all = Array.from({ length: 300 }, (_, place) => `${place + 1}-1`)
  assert.deepEqual(idsOf(await collect(stream.range())), all)
  assert.deepEqual(idsOf(await collect(stream.range({ reverse: true }))), [...all].reverse())
  assert.deepEqual(idsOf(await stream.range({ from: '10', to: '(12-1' }).toArray()), ['10-1', '11-1'])
  const reversed = await stream.range({ from: '10', to: '12', reverse: true }).toArray()
  assert.deepEqual(idsOf(reversed), ['12-1', '11-1', '10-1'])
  assert.equal((await stream.range({ count: 299 }).toArray()).length, 299)
  assert.deepEqual(idsOf(await stream.range({ count: 1, reverse: true }).toArray()), ['300-1'])
  assert.deepEqual(await db.stream('none').range().toArray(), [])
  const range = stream.range()
  assert.equal((await range.next()).value.id, '1-1')
  assert.equal((await range.toArray()).length, 299)
  assert.deepEqual(await range.next(), { value: undefined, done: true })
  await assert.rejects(stream.range({ from: 'nonsense' }).toArray(), { code: 'ERR', message: /Invalid stream ID/ })
})

test('range asks for less when entries are large', async (t) => {
  const { stream } = await filled(t, 0, { replyBytesMax: 10_000 })
  const value = 'x'.repeat(1500)
  const ids = await stream.addMany(Array.from({ length: 50 }, () => ({ value })))
  assert.deepEqual(idsOf(await collect(stream.range())), ids)
  await stream.add({ value: 'x'.repeat(20_000) })
  await assert.rejects(collect(stream.range()), { code: 'ERR', message: /reply would be larger/ })
})

test('delete has both commands', async (t) => {
  const { stream } = await filled(t, 5)
  const group = await stream.group('g')
  await group.readBatch('c', { count: 5 })
  assert.equal(await stream.delete('1-1'), 1)
  assert.equal(await stream.delete(['1-1', '2-1', '9-9']), 1)
  assert.deepEqual(await stream.delete(['3-1', '0-5'], { refs: 'ACKED' }), ['referenced', 'missing'])
  assert.deepEqual(await stream.delete(['3-1'], { refs: 'DELREF' }), ['deleted'])
  assert.equal(await stream.delete([]), 0)
  assert.deepEqual(await stream.delete([], { refs: 'ACKED' }), [])
  assert.deepEqual(idsOf(await stream.range().toArray()), ['4-1', '5-1'])
})

test('trim has the options of XTRIM', async (t) => {
  const { stream } = await filled(t, 10)
  assert.equal(await stream.trim({ maxLen: 8 }), 2)
  assert.equal(await stream.trim({ minId: '5' }), 2)
  assert.equal(await stream.trim({ maxLen: 0, approx: true, limit: 3 }), 0)
  await stream.group('g')
  assert.equal(await stream.trim({ maxLen: 0, refs: 'ACKED' }), 0)
  await assert.rejects(stream.trim({}), { code: 'ERR' })
  assert.equal(await stream.length(), 6)
})

test('info tells about a stream in both forms', async (t) => {
  const { db, stream } = await filled(t, 3)
  const group = await stream.group('g')
  await group.readBatch('c', { count: 3 })
  await group.nack('2-1', { mode: 'FATAL' })
  const info = await stream.info()
  assert.equal(info.length, 3)
  assert.equal(info.lastGeneratedId, '3-1')
  assert.deepEqual([info.firstEntry.id, info.lastEntry.get('n')], ['1-1', '3'])
  const full = await stream.info({ full: true, count: 2 })
  assert.deepEqual(idsOf(full.entries), ['1-1', '2-1'])
  assert.equal(full.groups[0].nackedCount, 1)
  const { pending } = full.groups[0]
  assert.deepEqual(pending.map(({ consumer }) => consumer), ['c', null])
  assert.ok(pending[0].deliveredAt > 0 && pending[0].deliveries === 1)
  assert.deepEqual([pending[1].deliveredAt, pending[1].deliveries], [null, Infinity])
  assert.deepEqual(full.groups[0].consumers.map(({ name, pelCount }) => [name, pelCount]), [['c', 2]])
  await db.call('DEL', 's')
  await stream.add(row, { maxLen: 0 })
  assert.equal((await stream.info()).firstEntry, null)
  await assert.rejects(db.stream('none').info(), { code: 'ERR', message: 'ERR no such key' })
})

test('setId sets the last ID', async (t) => {
  const { stream } = await filled(t, 1)
  await stream.setId('50-0', { entriesAdded: 20, maxDeletedId: '7-0' })
  const { lastGeneratedId, entriesAdded, maxDeletedEntryId } = await stream.info()
  assert.deepEqual([lastGeneratedId, entriesAdded, maxDeletedEntryId], ['50-0', 20, '7-0'])
})

test('groups are created when absent, listed and destroyed', async (t) => {
  const { db, stream } = await filled(t, 3)
  const other = db.stream('other')
  await other.group('g')
  assert.equal(await db.call('TYPE', 'other'), 'stream')
  await assert.rejects(db.stream('none').group('g', { mkStream: false }), { code: 'ERR', message: /requires the key/ })
  const group = await stream.group('g', { from: '1-1', entriesRead: 1 })
  await group.readBatch('c', { count: 1 })
  assert.equal((await stream.group('g', { from: '$' })).name, 'g')
  const expected = { name: 'g', consumers: 1, pending: 1, lastDeliveredId: '2-1', entriesRead: 2, lag: 1 }
  assert.deepEqual(await stream.groups(), [expected])
  assert.deepEqual(await group.info(), expected)
  await group.setId('0', { entriesRead: 0 })
  assert.deepEqual([(await group.info()).lastDeliveredId, (await group.info()).lag], ['0-0', 3])
  assert.equal(await stream.destroyGroup('none'), false)
  assert.equal(await group.destroy(), true)
  assert.equal(await group.destroy(), false)
  assert.equal(await group.info(), null)
})

test('consumers are created, listed and deleted', async (t) => {
  let now = 1000
  const { stream } = await filled(t, 3, { clock: () => now })
  const group = await stream.group('g')
  assert.equal(await group.createConsumer('c'), true)
  assert.equal(await group.createConsumer('c'), false)
  now += 20
  await group.readBatch('d', { count: 2 })
  now += 5
  assert.deepEqual(await group.consumers(), [
    { name: 'c', pending: 0, idle: 25, inactive: null },
    { name: 'd', pending: 2, idle: 5, inactive: 5 },
  ])
  assert.equal(await group.deleteConsumer('d'), 2)
  assert.equal(await group.deleteConsumer('d'), 0)
})

test('pending messages are counted and listed', async (t) => {
  let now = 1000
  const { stream } = await filled(t, 4, { clock: () => now })
  const group = await stream.group('g')
  assert.deepEqual(await group.pending(), { total: 0, minId: null, maxId: null, consumers: [] })
  await group.readBatch('c', { count: 2 })
  now += 10
  await group.readBatch('d', { count: 2 })
  await group.nack('4-1')
  const consumers = [{ name: 'c', pending: 2 }, { name: 'd', pending: 1 }]
  assert.deepEqual(await group.pending(), { total: 4, minId: '1-1', maxId: '4-1', consumers })
  assert.deepEqual(await group.pending({ from: '(1-1' }), [
    { id: '2-1', consumer: 'c', idle: 10, deliveries: 1 },
    { id: '3-1', consumer: 'd', idle: 0, deliveries: 1 },
    { id: '4-1', consumer: null, idle: null, deliveries: 1 },
  ])
  assert.deepEqual(idsOf(await group.pending({ count: 1, to: '3-1', consumer: 'd' })), ['3-1'])
  assert.deepEqual(idsOf(await group.pending({ minIdle: 5 })), ['1-1', '2-1', '4-1'])
})

test('messages are acknowledged, released, and acknowledged with their entries', async (t) => {
  const { stream } = await filled(t, 6)
  const group = await stream.group('g')
  const messages = await group.readBatch('c', { count: 6 })
  const told = ({ id, deliveries, idle }) => [id, deliveries, idle]
  assert.deepEqual(messages.map(told), messages.map(({ id }) => [id, 1, 0]))
  assert.equal(await group.ack(['1-1', '1-1', '9-9']), 1)
  assert.equal(await messages[0].ack(), false)
  assert.equal(await messages[1].ack(), true)
  assert.equal(await group.ack([]), 0)
  assert.equal(await group.nack([]), 0)
  assert.equal(await messages[2].nack({ retryCount: 4 }), true)
  assert.equal(await group.nack(['4-1', '9-9'], { mode: 'SILENT' }), 1)
  assert.deepEqual(await group.ackDelete(['5-1', '9-9']), ['deleted', 'missing'])
  assert.deepEqual(await group.ackDelete('6-1', { refs: 'ACKED' }), ['deleted'])
  assert.deepEqual(await group.ackDelete([]), [])
  const again = await group.readBatch('d')
  assert.deepEqual(again.map(told), [['3-1', 5, null], ['4-1', 1, null]])
  await group.nack('1-1', { mode: 'FAIL', force: true })
  assert.deepEqual(idsOf(await group.readBatch('d')), ['1-1'])
})

test('messages are claimed by ID', async (t) => {
  let now = 1000
  const { stream } = await filled(t, 4, { clock: () => now })
  const group = await stream.group('g')
  await group.readBatch('c', { count: 3 })
  now += 100
  assert.deepEqual(await group.claim('d', 200, ['1-1']), [])
  const [one] = await group.claim('d', 50, '1-1')
  assert.deepEqual([one.id, one.get('n'), one.deliveries], ['1-1', '1', 2])
  assert.equal(await one.ack(), true)
  assert.deepEqual(await group.claim('d', 0, ['2-1', '4-1'], { justId: true, force: true, idle: 30 }), ['2-1', '4-1'])
  const [three] = await group.claim('d', 0, ['3-1'], { retryCount: 7, time: 1010, lastId: '3-1' })
  assert.equal(three.deliveries, 7)
  assert.deepEqual(
    (await group.pending({})).map(({ id, idle, deliveries }) => [id, idle, deliveries]),
    [['2-1', 30, 1], ['3-1', 90, 7], ['4-1', 30, 1]],
  )
  assert.deepEqual(await group.claim('d', 0, []), [])
})

test('idle messages are claimed page by page', async (t) => {
  let now = 1000
  const { stream } = await filled(t, 5, { clock: () => now })
  const group = await stream.group('g')
  await group.readBatch('c', { count: 5 })
  await stream.delete('2-1')
  now += 100
  const page = await group.autoClaim('d', 50, { count: 3 })
  assert.deepEqual(idsOf(page.claimed), ['1-1', '3-1'])
  assert.deepEqual(page.claimed.map(({ deliveries }) => deliveries), [2, 2])
  assert.deepEqual([page.next, page.deleted], ['4-1', ['2-1']])
  assert.deepEqual(await group.autoClaim('d', 50, { start: page.next, justId: true }), {
    next: '0-0',
    claimed: ['4-1', '5-1'],
    deleted: [],
  })
  assert.deepEqual((await group.autoClaim('d', 50)).claimed, [])
})

test('a database is inspected as plain data', async (t) => {
  const { db, stream } = await filled(t, 3)
  const group = await stream.group('g')
  await group.readBatch('c', { count: 2 })
  await db.stream(bytes(0xff)).add(row)
  await db.call('SET', 'text', 'x')
  const inspection = await db.inspect()
  assert.ok(inspection.memoryBytes > 0)
  assert.equal(inspection.waitingReaders, 0)
  assert.equal(inspection.streams.length, 2)
  const found = inspection.streams.find(({ name }) => name === 's')
  assert.deepEqual([found.length, found.lastGeneratedId, found.entriesAdded], [3, '3-1', 3])
  const [{ name, lag, pelCount, consumers }] = found.groups
  assert.deepEqual([name, lag, pelCount, consumers[0].name, consumers[0].pelCount], ['g', 1, 2, 'c', 2])
  // Plain data survives being cloned, as it is on its way to another tab.
  assert.deepEqual(structuredClone(inspection), inspection)
})

test('limits change while the database is open', async (t) => {
  const { db, stream } = await filled(t, 1)
  await db.configure({ memoryBytesMax: 1 })
  await assert.rejects(stream.add(row), { code: 'OOM' })
  await db.configure({ replyBytesMax: 1000 })
  await assert.rejects(stream.add(row), { code: 'OOM' })
  await db.configure({ memoryBytesMax: 0 })
  await stream.add({ value: 'x'.repeat(2000) })
  await assert.rejects(db.call('XRANGE', 's', '-', '+'), { message: /reply would be larger/ })
})

test('a range that is appended to while it is read comes to an end', async (t) => {
  const { stream } = await filled(t, 300)
  const all = Array.from({ length: 300 }, (_, place) => `${place + 1}-1`)
  for (const options of [{}, { to: '18446744073709551615' }, { count: 1000 }]) {
    const seen = []
    for await (const { id } of stream.range(options)) {
      seen.push(id)
      await stream.add(row)
      if (seen.length > 1000) break
    }
    assert.deepEqual(seen, all)
    await stream.delete(idsOf(await stream.range({ from: '301' }).toArray()))
  }
  // What is deleted meanwhile is not missed.
  const rest = []
  for await (const { id } of stream.range()) {
    rest.push(id)
    if (rest.length === 1) await stream.delete(all.slice(128))
  }
  assert.deepEqual(rest, all.slice(0, 128))
})

test('a command is given as words or as an array of them', async (t) => {
  const { db } = await filled(t, 2)
  assert.equal(await db.call('XLEN', 's'), 2)
  assert.equal(await db.call(['XLEN', 's']), 2)
  assert.equal(await db.call(['XLEN', 's'], {}), 2)
})
