// Reading on: catching up, waiting, ending.

import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { bytes, collect, database, isPending, settle, until, waitingReaders, warningsOf } from './support/tools.mjs'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc')

const row = { a: 'x' }

test('a live read catches up and goes on without a gap', async (t) => {
  const stream = (await database(t)).stream('s')
  const ids = await stream.addMany(Array.from({ length: 1000 }, (_, n) => ({ n })))
  const seen = []
  const reading = (async () => {
    for await (const entry of stream.read({ after: '0', count: 3000 })) seen.push(entry.id)
  })()
  for (let n = 0; n < 2000; n++) {
    ids.push(await stream.add({ n }))
    if (n % 7 === 0) await settle(1)
  }
  await reading
  assert.deepEqual(seen, ids)
})

test('$ is what the stream had when read was called', async (t) => {
  const db = await database(t)
  const stream = db.stream('s')
  await stream.add(row, { id: '1-1' })
  const [first, second] = [stream.read(), stream.read({ after: '$' })]
  const early = db.stream('none').read()
  await stream.add(row, { id: '2-1' })
  await db.stream('none').add(row, { id: '1-1' })
  assert.equal((await first.next()).value.id, '2-1')
  assert.equal((await second.next()).value.id, '2-1')
  assert.equal((await early.next()).value.id, '1-1')
  // Deleting the newest entry does not bring it back as new.
  await stream.delete('2-1')
  const third = stream.read()
  await stream.add(row, { id: '3-1' })
  assert.equal((await third.next()).value.id, '3-1')
})

test('a count is a total, and ends the read', async (t) => {
  const db = await database(t)
  const stream = db.stream('s')
  await stream.addMany(Array.from({ length: 500 }, () => row))
  assert.equal((await collect(stream.read({ after: '0', count: 300 }))).length, 300)
  assert.equal((await stream.read({ after: '0', count: 500 }).toArray()).length, 500)
  assert.equal(await waitingReaders(db), 0)
})

test('those who ask are answered in order', async (t) => {
  const stream = (await database(t)).stream('s')
  const reading = stream.read()
  const answers = [reading.next(), reading.next(), reading.next()]
  assert.ok(await isPending(answers[0]))
  const ids = [await stream.add(row), await stream.add(row)]
  assert.ok(await isPending(answers[2]))
  ids.push(await stream.add(row))
  const got = await Promise.all(answers)
  assert.deepEqual(got.map(({ value }) => value.id), ids)
})

test('leaving a loop ends the wait', async (t) => {
  const db = await database(t)
  const stream = db.stream('s')
  await stream.add(row)
  for await (const entry of stream.read({ after: '0' })) {
    assert.equal(entry.get('a'), 'x')
    break
  }
  await assert.rejects(async () => {
    for await (const _ of stream.read({ after: '0' })) throw new Error('of the loop')
  }, /of the loop/)
  assert.equal(await waitingReaders(db), 0)
  const reading = stream.read()
  const asked = reading.next()
  await until(async () => (await waitingReaders(db)) === 1)
  assert.deepEqual(await reading.return(), { value: undefined, done: true })
  assert.deepEqual(await asked, { value: undefined, done: true })
  assert.deepEqual(await reading.next(), { value: undefined, done: true })
  assert.equal(await waitingReaders(db), 0)
})

test('a signal ends the wait with its reason', async (t) => {
  const db = await database(t)
  const stream = db.stream('s')
  for (const options of [{ after: '0' }, {}]) {
    const controller = new AbortController()
    const reading = stream.read({ ...options, signal: controller.signal })
    const asked = [reading.next(), reading.next()]
    await until(async () => (await waitingReaders(db)) === 1)
    controller.abort(new Error('enough'))
    assert.equal(await waitingReaders(db), 0)
    await assert.rejects(asked[0], /enough/)
    assert.deepEqual(await asked[1], { value: undefined, done: true })
    assert.deepEqual(await reading.next(), { value: undefined, done: true })
  }
  await stream.add(row)
  const aborted = { signal: AbortSignal.abort() }
  await assert.rejects(stream.read({ after: '0', ...aborted }).next(), { name: 'AbortError' })
  await assert.rejects(stream.range(aborted).next(), { name: 'AbortError' })
  await assert.rejects(stream.range(aborted).toArray(), { name: 'AbortError' })
  await assert.rejects(db.call(['XREAD', 'BLOCK', 0, 'STREAMS', 's', '$'], aborted), { name: 'AbortError' })
  await assert.rejects(stream.addMany([row], aborted), { name: 'AbortError' })
  assert.equal(await stream.length(), 1)
})

test('a signal that comes after an entry, but before it was handed over, is obeyed', async (t) => {
  const db = await database(t)
  const stream = db.stream('s')
  const controller = new AbortController()
  const asked = stream.read({ signal: controller.signal }).next()
  await until(async () => (await waitingReaders(db)) === 1)
  stream.add(row)
  controller.abort()
  await assert.rejects(asked, { name: 'AbortError' })
})

test('a signal ends addMany between two slices', async (t) => {
  const stream = (await database(t)).stream('s')
  const controller = new AbortController()
  const adding = stream.addMany(Array.from({ length: 1_000_000 }, () => row), { signal: controller.signal })
  await settle(1)
  controller.abort()
  await assert.rejects(adding, { name: 'AbortError' })
  const added = await stream.length()
  assert.ok(added > 0 && added < 1_000_000, `${added}`)
})

test('all readers of a stream see everything, and are served in order', async (t) => {
  const db = await database(t)
  const stream = db.stream('s')
  const order = []
  const seen = [[], [], []]
  const readers = seen.map(async (list, reader) => {
    for await (const entry of stream.read({ count: 50 })) {
      list.push(entry.id)
      if (list.length === 1) order.push(reader)
    }
  })
  await until(async () => (await waitingReaders(db)) === 3)
  const ids = []
  for (let n = 0; n < 50; n++) ids.push(await stream.add(row))
  await Promise.all(readers)
  for (const list of seen) assert.deepEqual(list, ids)
  assert.deepEqual(order, [0, 1, 2])
})

test('catching up does not keep other tasks from running', async (t) => {
  const stream = (await database(t)).stream('s')
  await stream.addMany(Array.from({ length: 100_000 }, () => row))
  let tasks = 0
  const other = setInterval(() => tasks++, 1)
  t.after(() => clearInterval(other))
  for await (const _ of stream.read({ after: '0', count: 100_000 }));
  assert.ok(tasks > 3, `${tasks} tasks ran meanwhile`)
  tasks = 0
  for await (const _ of stream.range());
  assert.ok(tasks > 3, `${tasks} tasks ran meanwhile`)
})

test('several streams are read at once', async (t) => {
  const db = await database(t)
  const [a, b] = [db.stream('a'), db.stream(bytes(0xff))]
  await a.addMany(Array.from({ length: 300 }, () => row))
  await b.addMany(Array.from({ length: 5 }, () => row))
  const seen = { a: [], b: [] }
  let early
  const sources = [{ stream: a, after: '0' }, { stream: b.name, after: '0' }, { stream: 'c' }]
  for await (const { stream, entry } of db.read(sources, { count: 305 })) {
    const list = stream === 'a' ? seen.a : seen.b
    list.push(entry.id)
    // A stream with a backlog does not keep another one waiting.
    if (seen.b.length === 5) early ??= seen.a.length
  }
  assert.deepEqual(seen.a, (await a.range().toArray()).map(({ id }) => id))
  assert.deepEqual(seen.b, (await b.range().toArray()).map(({ id }) => id))
  assert.ok(early < 300, `${early}`)
  const reading = db.read([{ stream: 'a' }, { stream: 'c' }])
  const asked = reading.next()
  await until(async () => (await waitingReaders(db)) === 1)
  await db.stream('c').add(row)
  const { value } = await asked
  assert.deepEqual([value.stream, value.entry.get('a')], ['c', 'x'])
  await reading.return()
})

test('an error of the stream is the error of the read', async (t) => {
  const db = await database(t)
  await db.call('SET', 'text', 'x')
  await assert.rejects(collect(db.stream('text').read()), { code: 'WRONGTYPE' })
  await assert.rejects(collect(db.stream('text').read({ after: '0' })), { code: 'WRONGTYPE' })
  await assert.rejects(collect(db.stream('text').range()), { code: 'WRONGTYPE' })
  await assert.rejects(collect(db.stream('s').read({ after: 'nonsense' })), { code: 'ERR' })
  // A read that nobody looks at breaks nothing.
  db.stream('text').read()
  await settle()
})

for (const [kind, begin] of Object.entries({
  'a live read': (stream, count) => stream.read({ after: '0', count }),
  'a group': async (stream, count) => (await stream.group('g')).read('c', { count }),
  'a web stream': (stream, count) => stream.readable({ after: '0', count }),
})) {
  test(`100,000 entries come through ${kind}, each once, and memory stays`, async (t) => {
    const db = await database(t)
    const stream = db.stream('s')
    const total = 100_000
    const held = () => {
      collectGarbage()
      const { heapUsed, external, arrayBuffers } = process.memoryUsage()
      return heapUsed + external + arrayBuffers
    }
    let read = 0
    const producing = (async () => {
      for (let n = 0; n < total; n += 500) {
        await stream.addMany(Array.from({ length: 500 }, (_, place) => ({ n: n + place, text: `entry ${n + place}` })))
        // Never far ahead, so that what was read can be trimmed.
        while (n - read > 2000) await settle(1)
        await stream.trim({ maxLen: 5000 })
      }
    })()
    let start
    let most = 0
    for await (const entry of await begin(stream, total)) {
      const isNext = Number(entry.get('n')) === read && entry.get('text') === `entry ${read}`
      if (!isNext) assert.fail(`${read}: ${entry.pairs}`)
      entry.ack?.()
      read++
      if (read === 5000) start = held()
      if (read % 10_000 === 0) most = Math.max(most, held() - start)
    }
    await producing
    assert.equal(read, total)
    assert.ok(most <= 16 << 20, `${most} bytes more`)
  })
}

test('memory may grow while somebody iterates', async (t) => {
  const db = await database(t)
  const stream = db.stream('s')
  await stream.addMany(Array.from({ length: 1000 }, (_, n) => ({ n, bytes: bytes(n & 0xff, 0xff) })))
  let n = 0
  const kept = []
  for await (const entry of stream.range()) {
    if (n % 100 === 0) await db.call('SET', `large ${n}`, 'y'.repeat(1 << 20))
    kept.push(entry.bytes('bytes'))
    assert.equal(entry.get('n'), String(n++))
  }
  assert.equal(n, 1000)
  kept.forEach((value, n) => assert.deepEqual(value, bytes(n & 0xff, 0xff)))
})

test('a web stream reads on, and fetches nothing before it is read', async (t) => {
  const db = await database(t)
  const stream = db.stream('s')
  await stream.addMany(Array.from({ length: 10 }, (_, n) => ({ n })))
  const reader = stream.readable({ after: '0' }).getReader()
  await settle()
  assert.equal((await reader.read()).value.get('n'), '0')
  assert.equal((await reader.read()).value.get('n'), '1')
  await reader.cancel()
  assert.equal(await waitingReaders(db), 0)
  const waiting = stream.readable().getReader()
  const asked = waiting.read()
  await until(async () => (await waitingReaders(db)) === 1)
  await waiting.cancel()
  assert.equal((await asked).done, true)
  assert.equal(await waitingReaders(db), 0)
  const controller = new AbortController()
  const signalled = stream.readable({ signal: controller.signal }).getReader().read()
  controller.abort()
  await assert.rejects(signalled, { name: 'AbortError' })
})

test('a web stream appends what is written to it, in order', async (t) => {
  const db = await database(t)
  const [from, to] = [db.stream('from'), db.stream('to')]
  await from.addMany(Array.from({ length: 1000 }, (_, n) => ({ n })))
  await from.readable({ after: '0', count: 1000 }).pipeTo(to.writable({ maxLen: 500 }))
  const numbers = (await to.range().toArray()).map((entry) => Number(entry.get('n')))
  assert.deepEqual(numbers, Array.from({ length: 500 }, (_, n) => n + 500))
  const writer = to.writable().getWriter()
  await assert.rejects(writer.write('text'), { name: 'TypeError' })
})

test('reads that feed each other do not keep other tasks from running', async (t) => {
  const db = await database(t)
  const [a, b] = [db.stream('a'), db.stream('b')]
  let passed = 0
  const pass = async (from, to) => {
    for await (const entry of from.read({ after: '0' })) {
      if (++passed === 1_000_000) throw new Error('nothing else runs')
      await to.add(entry, { maxLen: 10 })
    }
  }
  const passing = Promise.allSettled([pass(a, b), pass(b, a)])
  await a.add(row)
  // If they never let go, this never comes.
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setTimeout(resolve, 5))
  assert.ok(passed > 5, `${passed}`)
  await db.close()
  for (const { reason } of await passing) assert.equal(reason?.name, 'ClosedError')
})

test('a stream with much to read does not keep another reader waiting', async (t) => {
  const db = await database(t)
  const [busy, calm] = [db.stream('busy'), db.stream('calm')]
  await busy.addMany(Array.from({ length: 50_000 }, () => row))
  let read = 0
  const reading = (async () => {
    for await (const _ of busy.read({ after: '0', count: 50_000 })) read++
  })()
  const asked = calm.read().next()
  await until(() => read > 1000)
  await calm.add(row)
  await asked
  assert.ok(read < 50_000, 'the busy one came first to its end')
  await reading
})

test('a signal that is used again and again has no listeners left', async (t) => {
  const db = await database(t)
  const stream = db.stream('s')
  const group = await stream.group('g')
  await stream.addMany(Array.from({ length: 10 }, () => row))
  const { signal } = new AbortController()
  const listeners = () => getEventListeners(signal, 'abort').length
  await collect(stream.range({ signal }))
  await collect(stream.read({ after: '0', count: 10, signal }))
  for await (const _ of stream.read({ after: '0', signal })) break
  await collect(group.read('c', { count: 10, signal }))
  await group.readBatch('c', { block: 1, signal })
  await db.call(['XREAD', 'BLOCK', 1, 'STREAMS', 's', '$'], { signal })
  await stream.addMany([row], { signal })
  await stream.readable({ after: '0', signal }).cancel()
  assert.equal(listeners(), 0)
  const waiting = stream.read({ signal }).next()
  await until(async () => (await waitingReaders(db)) === 1)
  assert.equal(listeners(), 1)
  await db.close()
  await assert.rejects(waiting, { name: 'ClosedError' })
  assert.equal(listeners(), 0)
})

test('one signal may end any number of reads', async (t) => {
  const warnings = warningsOf(t)
  const db = await database(t)
  const group = await db.stream('s').group('g')
  const controller = new AbortController()
  const { signal } = controller
  const order = []
  const waits = Array.from({ length: 50 }, (_, place) => {
    const kinds = [
      () => db.stream('s').read({ signal }).next(),
      () => group.read('c', { signal }).next(),
      () => db.call(['XREAD', 'BLOCK', 0, 'STREAMS', 's', '$'], { signal }),
    ]
    return kinds[place % 3]().catch((error) => order.push(error.name))
  })
  await until(async () => (await waitingReaders(db)) === waits.length)
  assert.equal(getEventListeners(signal, 'abort').length, 1)
  controller.abort()
  await Promise.all(waits)
  assert.deepEqual(order, waits.map(() => 'AbortError'))
  assert.equal(getEventListeners(signal, 'abort').length, 0)
  assert.deepEqual(warnings, [])
})

test('closing ends everything that waits or goes on, of any kind', async (t) => {
  const db = await database(t)
  const stream = db.stream('s')
  const group = await stream.group('g')
  await stream.addMany(Array.from({ length: 2000 }, () => row))
  const calm = await db.stream('other').group('g')
  const ranging = stream.range()
  await ranging.next()
  const waits = [
    stream.read().next(),
    db.read([{ stream }, { stream: 'other' }]).next(),
    stream.readable().getReader().read(),
    db.stream('other').readable({ after: '0' }).pipeTo(stream.writable()),
    db.call('XREAD', 'BLOCK', 100_000, 'STREAMS', 's', '$'),
    calm.read('c').next(),
    calm.readBatch('c', { block: 0 }),
    db.stream('much').addMany(Array.from({ length: 500_000 }, () => row)),
    collect(db.stream('other').read({ after: '0' })),
  ]
  const ends = Promise.allSettled(waits)
  await settle(5)
  await db.close()
  assert.deepEqual((await ends).map(({ reason }) => reason?.name), waits.map(() => 'ClosedError'))
  await assert.rejects(ranging.next().then(() => collect(ranging)), { name: 'ClosedError' })
  await assert.rejects(stream.writable().getWriter().write(row), { name: 'ClosedError' })
  await assert.rejects(stream.readable().getReader().read(), { name: 'ClosedError' })
  await assert.rejects(group.read('c').next(), { name: 'ClosedError' })
  for (const call of [() => group.pending(), () => group.ack('1-1'), () => group.claim('c', 0, '1-1')]) {
    await assert.rejects(call(), { name: 'ClosedError' })
  }
})

test('a read can be disposed of', { skip: Symbol.asyncDispose === undefined }, async (t) => {
  const db = await database(t)
  const reading = db.stream('s').read()
  const asked = reading.next()
  await until(async () => (await waitingReaders(db)) === 1)
  await reading[Symbol.asyncDispose]()
  assert.equal((await asked).done, true)
  assert.equal(await waitingReaders(db), 0)
})
