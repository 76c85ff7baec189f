// What is wrong with an argument is told by name, with what was given and what is allowed.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { open } from 'brooklet'
import { open as openSlim } from 'brooklet/slim'
import { CALLS, objectsOf, perform } from './support/calls.mjs'
import { database } from './support/tools.mjs'

const row = { a: 'x' }

/** Refused with a TypeError, thrown or told by a promise. */
async function refused(call, message) {
  const check = (error) => {
    assert.equal(error.name, 'TypeError', `${call}: ${error}`)
    assert.match(error.message, message, String(call))
    return true
  }
  await assert.rejects(async () => call(), check)
}

test('an option that does not exist is refused by name, with those that do', async (t) => {
  const db = await database(t)
  const stream = db.stream('s')
  const group = await stream.group('g')
  const calls = [
    () => open({ maxmemory: 5 }),
    () => openSlim({ wasm: new Uint8Array(), maxmemory: 5 }),
    () => db.configure({ clock: Date.now }),
    () => db.call(['PING'], { sginal: undefined }),
    () => db.read([{ stream: 's', from: '0' }]),
    () => db.read([{ stream: 's' }], { after: '0' }),
    () => stream.add(row, { maxlen: 5 }),
    () => stream.add(row, { idempotent: { producer: 'p', iid: '1' } }),
    () => stream.addMany([row], { maxLength: 5 }),
    () => stream.range({ start: '-' }),
    () => stream.read({ from: '0' }),
    () => stream.delete('1-1', { mode: 'ACKED' }),
    () => stream.trim({ max: 5 }),
    () => stream.info({ verbose: true }),
    () => stream.setId('1-1', { entries: 5 }),
    () => stream.configure({ idmp: 5 }),
    () => stream.group('g', { start: '0' }),
    () => stream.readable({ from: '0' }),
    () => stream.writable({ signal: undefined }),
    () => group.read('c', { block: 5 }),
    () => group.readBatch('c', { idle: 5 }),
    () => group.nack('1-1', { kind: 'FAIL' }),
    () => group.ackDelete('1-1', { mode: 'ACKED' }),
    () => group.claim('c', 0, '1-1', { justid: true }),
    () => group.autoClaim('c', 0, { from: '0' }),
    () => group.pending({ start: '-' }),
    () => group.setId('0', { entries: 5 }),
  ]
  for (const call of calls) await refused(call, /^there is no option \w+, but there is \w+/)
})

test('an option of a wrong type is refused by name', async (t) => {
  const db = await database(t)
  const stream = db.stream('s')
  const group = await stream.group('g')
  const wrong = [
    [() => open(5), /^options must be an object, not 5$/],
    [() => open(null), /^options must be an object, not null$/],
    [() => open({ memoryBytesMax: -1 }), /^memoryBytesMax must be an integer, 0 or more, not -1$/],
    [() => open({ memoryBytesMax: 1.5 }), /not 1.5$/],
    [() => open({ replyBytesMax: '5' }), /^replyBytesMax must be .*, not "5"$/],
    [() => open({ clock: 5 }), /^clock must be a function, not 5$/],
    [() => openSlim({}), /^wasm must be .*, not undefined$/],
    [() => openSlim(), /^wasm must be/],
    [() => db.stream(5), /^name must be a string or a Uint8Array, not 5$/],
    [() => db.stream(), /^name must be .*, not undefined$/],
    [() => stream.range({ count: 0 }), /^count must be a positive integer, not 0$/],
    [() => stream.range({ count: -1 }), /^count must be .*, not -1$/],
    [() => stream.range({ count: Number.NaN }), /^count must be .*, not NaN$/],
    [() => stream.range({ count: 2 ** 53 }), /^count must be/],
    [() => stream.range({ count: 5n }), /^count must be/],
    [() => stream.range({ from: 5 }), /^from must be a string, not 5$/],
    [() => stream.range({ reverse: 'yes' }), /^reverse must be true or false, not "yes"$/],
    [() => stream.read({ after: 0 }), /^after must be a string, not 0$/],
    [() => stream.read({ signal: {} }), /^signal must be an AbortSignal, not \[object Object\]$/],
    [() => stream.read({ count: 0 }), /^count must be/],
    [() => stream.add(row, { id: 5 }), /^id must be a string, not 5$/],
    [() => stream.add(row, { refs: 'acked' }), /^refs must be KEEPREF, DELREF or ACKED, not "acked"$/],
    [() => stream.add(row, { maxLen: -5 }), /^maxLen must be/],
    [() => stream.add(row, { approx: 1 }), /^approx must be/],
    [() => stream.add(row, { idempotent: 'p' }), /^idempotent must be an object, not "p"$/],
    [() => stream.add(row, { idempotent: {} }), /^producer must be .*, not undefined$/],
    [() => stream.add(row, { ifLastId: '0-0', maxLen: 5 }), /ifLastId together with MAXLEN/],
    [() => stream.add(row, { ifLastId: '0-0', noMkStream: true }), /ifLastId together with NOMKSTREAM/],
    [() => stream.addMany(5), /^rows must be iterable, not 5$/],
    [() => stream.addMany({}), /^rows must be iterable, not \[object Object\]$/],
    [() => stream.addMany((async function* () {})()), /^rows must be iterable, not \[object AsyncGenerator\]$/],
    [() => stream.delete(5), /^ids must be a string or an array of strings, not 5$/],
    [() => stream.delete([5]), /^id must be a string, not 5$/],
    [() => stream.setId(5), /^id must be/],
    [() => stream.recordIdempotent('p', 'i', 5), /^id must be/],
    [() => stream.group(), /^name must be/],
    [() => stream.group('g', { mkStream: 0 }), /^mkStream must be/],
    [() => group.read(), /^consumer must be a string or a Uint8Array, not undefined$/],
    [() => group.read('c', { claimIdle: '5' }), /^claimIdle must be/],
    [() => group.readBatch('c', { block: -1 }), /^block must be/],
    [() => group.readBatch('c', { count: 0 }), /^count must be/],
    [() => group.ack(), /^ids must be/],
    [() => group.nack('1-1', { mode: 'fail' }), /^mode must be SILENT, FAIL or FATAL, not "fail"$/],
    [() => group.claim('c', '5', '1-1'), /^minIdle must be/],
    [() => group.autoClaim('c', 5, { count: 0 }), /^count must be/],
    [() => group.pending({ consumer: 5 }), /^consumer must be/],
    [() => group.createConsumer({}), /^name must be .*, not \[object Object\]$/],
    [() => db.read('s'), /^sources must be iterable/],
    [() => db.read([]), /^sources must be at least one/],
    [() => db.read(['s']), /^options must be an object/],
    [() => db.read([{}]), /^stream must be a stream or its name, not undefined$/],
    [() => db.read([{ stream: 's' }, { stream }]), /^sources must be different streams/],
    [() => db.read([{ stream: 's' }, { stream: new TextEncoder().encode('s') }]), /^sources must be different streams/],
  ]
  for (const [call, message] of wrong) await refused(call, message)
})

test('a count is a positive integer, wherever it is given', async (t) => {
  const objects = await objectsOf(await database(t))
  let tried = 0
  for (const [method, calls] of Object.entries(CALLS)) {
    const words = calls.findLast((words) => 'count' in Object(words.at(-1)))
    if (words === undefined) continue
    tried++
    for (const count of [0, -0, -1, -Infinity, 1.5, Number.NaN, Infinity, 2 ** 53, '5', 5n, null, true, [5]]) {
      const call = () => perform(objects, method, words.with(-1, { ...words.at(-1), count }))
      await refused(call, /^count must be a positive integer, not /)
    }
  }
  assert.ok(tried >= 9, `${tried} methods have a count`)
})

test('a signal that was aborted before is obeyed, wherever it is given', async (t) => {
  const objects = await objectsOf(await database(t))
  const { stream, group } = objects
  let tried = 0
  for (const [method, calls] of Object.entries(CALLS)) {
    const words = calls.find((words) => 'signal' in Object(words.at(-1)))
    if (words === undefined) continue
    tried++
    const signal = AbortSignal.abort(new RangeError('before'))
    const call = perform(objects, method, words.with(-1, { ...words.at(-1), signal }))
    await assert.rejects(call, { name: 'RangeError', message: 'before' }, method)
  }
  assert.ok(tried >= 7, `${tried} methods have a signal`)
  // Nothing was added, and nothing delivered.
  assert.equal(await stream.length(), 2)
  assert.equal((await group.pending()).total, 1)
})

test('a word or field of a wrong kind is refused, and nothing is run', async (t) => {
  const db = await database(t)
  const stream = db.stream('s')
  const wrong = [
    [() => db.call(), /^command must be a string or a Uint8Array, not undefined$/],
    [() => db.call(5), /^command must be/],
    [() => db.call([]), /^command must be/],
    [() => db.call('XADD', 's', '*', 'f', null), /^word 4 of XADD must be a string, a finite number, a bigint or a U/],
    [() => db.call('XADD', 's', '*', 'f', {}), /^word 4 of XADD/],
    [() => db.call('XADD', 's', '*', 'f', Number.NaN), /not NaN$/],
    [() => db.call('XADD', 's', '*', 'f', true), /not true$/],
    [() => db.call('XADD', 's', '*', 'f', Symbol('x')), /not Symbol\(x\)$/],
    [() => db.call('XADD', 's', '*', 'f', () => 1), /^word 4 of XADD/],
    [() => db.call('XADD', 's', '*', 'f', new Float64Array(1)), /^word 4 of XADD/],
    [() => db.multi('PING'), /^commands must be/],
    [() => db.multi([['XADD', 's', '*', 'a', 'b'], 'PING']), /^a command must be an array of words, not "PING"$/],
    [() => db.multi([['XADD', 's', '*', 'a', 'b'], ['PING', null]]), /^word 1 of PING/],
    [() => stream.add(), /^fields must be an object or pairs, not undefined$/],
    [() => stream.add('text'), /^fields must be/],
    [() => stream.add({}), /^fields must be at least one/],
    [() => stream.add([]), /^fields must be at least one/],
    [() => stream.add({ a: undefined }), /^fields must be at least one/],
    [() => stream.add({ a: null }), /^the value of a must be a string, .*, not null$/],
    [() => stream.add({ a: {} }), /^the value of a must be/],
    [() => stream.add({ a: Infinity }), /^the value of a must be/],
    [() => stream.add([['a']]), /^a field must be a pair of name and value/],
    [() => stream.add(['ab']), /^a field must be a pair/],
    [() => stream.add(new Uint8Array(2)), /^a field must be a pair/],
    [() => stream.add([[null, 'x']]), /^word 3 of XADD/],
  ]
  for (const [call, message] of wrong) await refused(call, message)
  assert.equal(await stream.length(), 0)
})

test('commands about a connection are refused, and say what to use', async (t) => {
  const db = await database(t)
  const names =
    'AUTH CLIENT DISCARD EXEC HELLO MONITOR MULTI PSUBSCRIBE QUIT RESET SELECT SUBSCRIBE UNSUBSCRIBE UNWATCH WATCH'
  for (const name of names.split(' ')) {
    await refused(() => db.call(name.toLowerCase(), 'x'), /is about a connection, and there is none; see multi\(\)/)
    await refused(() => db.multi([[name]]), /is about a connection/)
  }
})

test('options are read once, and what runs meanwhile disturbs nothing', async (t) => {
  const db = await database(t)
  const stream = db.stream('s')
  let reads = 0
  const options = {
    get id() {
      reads++
      return '5-5'
    },
  }
  await stream.add(row, options)
  assert.equal(reads, 1)
  // A getter that calls the database while the fields are read.
  const nested = []
  await stream.add({
    first: 'x'.repeat(100),
    get second() {
      nested.push(db.stream('other').add({ of: 'the getter', much: 'y'.repeat(5000) }))
      return 'z'
    },
  })
  await Promise.all(nested)
  const [entry] = await stream.range({ reverse: true, count: 1 }).toArray()
  assert.deepEqual(entry.pairs, [['first', 'x'.repeat(100)], ['second', 'z']])
  assert.equal((await db.stream('other').range().toArray())[0].get('of'), 'the getter')
})

test('huge batches and arguments are no different', async (t) => {
  const db = await database(t)
  const stream = db.stream('s')
  const count = 100_000
  const ids = await stream.addMany(Array.from({ length: count }, (_, n) => ({ n })))
  const replies = await db.multi(Array.from({ length: count }, () => ['XLEN', 's']))
  assert.ok(replies.length === count && replies.every((length) => length === count))
  const group = await stream.group('g')
  assert.equal((await group.readBatch('c', { count })).length, count)
  assert.equal(await group.ack(ids), count)
  assert.equal(await stream.delete(ids), count)
  const large = 'x'.repeat(20 << 20)
  await stream.add({ large })
  // The room for it was given back, and small requests go on.
  await stream.add(row)
  const [first, second] = await stream.range().toArray()
  assert.equal(first.get('large') === large, true)
  assert.equal(second.get('a'), 'x')
  await db.call(['DEL', ...Array.from({ length: 300_000 }, (_, n) => `key ${n}`)])
})
