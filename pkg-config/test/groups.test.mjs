// Reading through a group: whose messages, in which order, and that none is lost when a loop ends.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { collect, database, isPending, randomNumbers, settle, until, waitingReaders } from './support/tools.mjs'

const idsOf = (entries) => entries.map(({ id }) => id)

async function filled(t, count, options) {
  const db = await database(t, options)
  const stream = db.stream('s')
  const ids = await stream.addMany(Array.from({ length: count }, (_, n) => ({ n })))
  return { db, stream, ids, group: await stream.group('g') }
}

test('own pending messages come first, then idle ones of others, then new ones', async (t) => {
  let now = 1_000_000
  const { group, ids } = await filled(t, 6, { clock: () => now })
  await group.readBatch('mine', { count: 2 })
  await group.readBatch('other', { count: 2 })
  now += 500
  const got = []
  for await (const message of group.read('mine', { count: 6, claimIdle: 400 })) {
    got.push([message.id, message.deliveries, message.idle])
    assert.equal(await message.ack(), true)
  }
  const told = [[2, 500], [2, 500], [2, 500], [2, 500], [1, 0], [1, 0]]
  assert.deepEqual(got, ids.map((id, place) => [id, ...told[place]]))
  assert.equal((await group.pending()).total, 0)
})

test('many own pending messages come page by page, each once', async (t) => {
  const { group, ids } = await filled(t, 1000)
  assert.equal((await group.readBatch('c', { count: 700 })).length, 700)
  const seen = await collect(group.read('c', { count: 1000 }))
  assert.deepEqual(idsOf(seen), ids)
  assert.deepEqual(seen.map(({ deliveries }) => deliveries), ids.map((_, place) => (place < 700 ? 2 : 1)))
})

test('a pending message whose entry was deleted is settled', async (t) => {
  const { stream, group, ids } = await filled(t, 5)
  await group.readBatch('c', { count: 4 })
  await stream.delete([ids[0], ids[1], ids[3]])
  assert.deepEqual(idsOf(await collect(group.read('c', { count: 2 }))), [ids[2], ids[4]])
  assert.deepEqual(idsOf(await group.pending({})), [ids[2], ids[4]])
})

test('what was fetched and not handed over is given back when the loop is left', async (t) => {
  const { group, ids } = await filled(t, 200)
  const seen = []
  for await (const message of group.read('c')) {
    seen.push(message.id)
    if (seen.length === 100) break
  }
  assert.deepEqual(seen, ids.slice(0, 100))
  assert.deepEqual((await group.pending()).consumers, [{ name: 'c', pending: 100 }])
  // They were not counted, and another consumer gets them in order.
  const rest = await collect(group.read('d', { count: 100 }))
  assert.deepEqual(idsOf(rest), ids.slice(100))
  assert.deepEqual(new Set(rest.map(({ deliveries }) => deliveries)), new Set([1]))
})

test('what is in nobody\'s hands is given back when a signal comes', async (t) => {
  const { db, stream, group, ids } = await filled(t, 0)
  const controller = new AbortController()
  const asked = group.read('c', { signal: controller.signal }).next()
  await until(async () => (await waitingReaders(db)) === 1)
  // The engine hands it over in this task, and the signal comes before anybody could look.
  const adding = stream.add({ n: 0 })
  controller.abort()
  await assert.rejects(asked, { name: 'AbortError' })
  ids.push(await adding)
  const [pending] = await group.pending({})
  assert.deepEqual([pending.id, pending.consumer, pending.deliveries], [ids[0], null, 0])
  const [message] = await group.readBatch('d')
  assert.deepEqual([message.id, message.deliveries, message.idle], [ids[0], 1, null])
})

test('closing gives back, and tells who waits', async (t) => {
  const { db, stream, group } = await filled(t, 0)
  const waiting = group.read('c').next()
  const called = db.call('XREAD', 'BLOCK', 0, 'STREAMS', 's', '$')
  const batch = group.readBatch('d', { block: 0 })
  await until(async () => (await waitingReaders(db)) === 3)
  await db.close()
  for (const promise of [waiting, called, batch, stream.length(), stream.read().next(), group.read('c').next()]) {
    await assert.rejects(promise, { name: 'ClosedError', message: 'the database is closed' })
  }
})

test('a consumer that takes its time holds nothing back', async (t) => {
  const { group } = await filled(t, 50)
  const slow = group.read('slow')
  for (let n = 0; n < 5; n++) {
    await slow.next()
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  assert.equal((await group.pending()).total, 5)
  await slow.return()
})

test('a consumer in haste gets pages', async (t) => {
  const { group, ids } = await filled(t, 20_000)
  assert.deepEqual(idsOf(await collect(group.read('c', { count: 20_000 }))), ids)
})

test('consumers share the work, each message goes to one', async (t) => {
  const { stream, group } = await filled(t, 0)
  const controller = new AbortController()
  const seen = new Map()
  const workers = ['a', 'b', 'c'].map(async (name) => {
    try {
      for await (const message of group.read(name, { signal: controller.signal })) {
        assert.ok(!seen.has(message.id), `${message.id} came twice`)
        seen.set(message.id, name)
        message.ack()
        await settle(1)
      }
    } catch (error) {
      assert.equal(error.name, 'AbortError')
    }
  })
  const ids = []
  for (let n = 0; n < 300; n++) {
    ids.push(await stream.add({ n }))
    await settle(1)
  }
  await until(() => seen.size === ids.length)
  controller.abort()
  await Promise.all(workers)
  assert.deepEqual([...seen.keys()].sort(), [...ids].sort())
  for (const name of ['a', 'b', 'c']) assert.ok([...seen.values()].filter((one) => one === name).length > 50, name)
  assert.equal((await group.pending()).total, 0)
})

test('a released message comes again at once, to whoever waits', async (t) => {
  const { db, group } = await filled(t, 1)
  const waiting = group.read('b')
  const [message] = await group.readBatch('a')
  const asked = waiting.next()
  await until(async () => (await waitingReaders(db)) === 1)
  message.nack()
  const { value } = await asked
  assert.deepEqual([value.id, value.deliveries, value.idle], [message.id, 2, null])
  await value.nack({ mode: 'FATAL' })
  const [fatal] = await group.readBatch('a')
  assert.equal(fatal.deliveries, Infinity)
  await waiting.return()
})

test('an idle message is taken over when its time has come', async (t) => {
  const { db, group, ids } = await filled(t, 1)
  await group.readBatch('a')
  const asked = group.read('b', { claimIdle: 30 }).next()
  await until(async () => (await waitingReaders(db)) === 1)
  const { value } = await asked
  assert.equal(value.id, ids[0])
  assert.ok(value.idle >= 30 && value.idle < 10_000, `${value.idle}`)
  assert.equal(value.deliveries, 2)
})

test('without acknowledgement nothing is pending and nothing lost', async (t) => {
  const { group, ids } = await filled(t, 50)
  const seen = []
  for await (const message of group.read('c', { noAck: true })) {
    seen.push(message.id)
    if (seen.length === 20) break
  }
  assert.equal((await group.pending()).total, 0)
  for await (const message of group.read('c', { noAck: true, count: 30 })) seen.push(message.id)
  assert.deepEqual(seen, ids)
})

test('a batch waits for its first message, or does not', async (t) => {
  const { db, stream, group } = await filled(t, 0)
  assert.deepEqual(await group.readBatch('c'), [])
  assert.deepEqual(await group.readBatch('c', { block: 5 }), [])
  const waiting = group.readBatch('c', { block: 0 })
  assert.ok(await isPending(waiting))
  const id = await stream.add({ n: 1 })
  assert.deepEqual(idsOf(await waiting), [id])
  assert.deepEqual(idsOf(await group.readBatch('c', { after: '0' })), [id])
  const controller = new AbortController()
  const aborted = group.readBatch('c', { block: 0, signal: controller.signal })
  await until(async () => (await waitingReaders(db)) === 1)
  controller.abort(new Error('enough'))
  await assert.rejects(aborted, /enough/)
  assert.equal(await waitingReaders(db), 0)
})

test('an acknowledgement that nobody waits for breaks nothing', async (t) => {
  const { db, group } = await filled(t, 2)
  const [first, second] = await group.readBatch('c')
  first.ack()
  await db.close()
  first.ack()
  second.nack()
  await settle()
  await assert.rejects(second.ack(), { name: 'ClosedError' })
})

test('a group that is destroyed ends its readers', async (t) => {
  const { db, group } = await filled(t, 0)
  const asked = group.read('c').next()
  await until(async () => (await waitingReaders(db)) === 1)
  await group.destroy()
  await assert.rejects(asked, { code: 'NOGROUP' })
  await assert.rejects(group.read('c').next(), { code: 'NOGROUP' })
  await assert.rejects(group.claim('c', 0, ['1-1']), { code: 'NOGROUP' })
})

test('however consumers come and go, each message is handed over once', async (t) => {
  for (let seed = 0; seed < 20; seed++) {
    const { db, stream, group } = await filled(t, 0)
    const random = randomNumbers(seed)
    const seen = new Map()
    const total = 600
    /** Reads for a while, and is stopped in one of several ways. */
    const work = async (name) => {
      const controller = new AbortController()
      const reading = group.read(name, { signal: controller.signal })
      const asked = new Set()
      const take = ({ value, done }) => {
        if (done) return
        assert.ok(!seen.has(value.id), `seed ${seed}: ${value.id} came to ${seen.get(value.id)} and ${name}`)
        assert.equal(value.deliveries, 1, `seed ${seed}: ${value.id}`)
        seen.set(value.id, name)
        value.ack()
      }
      for (let left = random(60); left > 0; left--) {
        const next = reading.next().then(take)
        asked.add(next)
        next.catch(() => {}).finally(() => asked.delete(next))
        if (random(3) > 0) await Promise.race([next, settle(1 + random(3))])
      }
      const ways = [
        () => controller.abort(),
        () => reading.return(),
        () => Promise.race([...asked, settle(2)]).then(() => controller.abort()),
        // Together with an entry that it waits for, before or after it.
        () => (stream.add({ late: 1 }), controller.abort()),
        () => (controller.abort(), stream.add({ late: 1 })),
        () => (stream.add({ late: 1 }), reading.return()),
      ]
      await ways[random(ways.length)]()
      const ends = await Promise.allSettled(asked)
      for (const { reason } of ends) {
        if (reason !== undefined && reason.name !== 'AbortError') throw reason
      }
    }
    const producing = (async () => {
      for (let n = 0; n < total; n += 10) {
        await stream.addMany(Array.from({ length: 10 }, (_, place) => ({ n: n + place })))
        if (random(2) === 0) await settle(1)
      }
    })()
    const consuming = Array.from({ length: 4 }, async (_, name) => {
      for (let round = 0; round < 8; round++) await work(`c${name}`)
    })
    await Promise.all([producing, ...consuming])
    // Who comes last gets all that is left.
    const left = (await stream.length()) - seen.size
    for (const message of left === 0 ? [] : await collect(group.read('last', { count: left }))) {
      assert.ok(!seen.has(message.id), `seed ${seed}: ${message.id} came again`)
      assert.equal(message.deliveries, 1)
      seen.set(message.id, 'last')
      message.ack()
    }
    assert.deepEqual([...seen.keys()].sort(), idsOf(await stream.range().toArray()).sort())
    assert.equal((await group.pending()).total, 0)
    assert.equal(await waitingReaders(db), 0)
  }
})
