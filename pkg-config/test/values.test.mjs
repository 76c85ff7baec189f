// What goes in comes out: names, values, IDs, of any kind and size.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { bytes, collect, database, randomNumbers } from './support/tools.mjs'

test('fields may be an object, pairs, a map, or an entry', async (t) => {
  const db = await database(t)
  const stream = db.stream('s')
  const forms = [
    { a: 'x', b: '1' },
    [['a', 'x'], ['b', '1']],
    new Map([['a', 'x'], ['b', 1]]),
    new URLSearchParams('a=x&b=1'),
    { a: new TextEncoder().encode('x'), b: 1n },
    (function* () {
      yield ['a', 'x']
      yield ['b', 1]
    })(),
  ]
  for (const form of forms) await stream.add(form)
  const entries = await stream.range().toArray()
  await stream.add(entries[0])
  assert.equal(await stream.length(), forms.length + 1)
  for await (const entry of stream.range()) assert.deepEqual(entry.pairs, [['a', 'x'], ['b', '1']])
})

test('a field that is undefined is left out', async (t) => {
  const stream = (await database(t)).stream('s')
  await stream.add({ a: undefined, b: 'x', c: undefined })
  assert.deepEqual((await stream.range().toArray())[0].pairs, [['b', 'x']])
})

test('an entry keeps order and duplicates', async (t) => {
  const stream = (await database(t)).stream('s')
  await stream.add([['b', '1'], ['10', '2'], ['2', '3'], ['b', '4'], ['', '']])
  const [entry] = await stream.range().toArray()
  assert.deepEqual([...entry], [['b', '1'], ['10', '2'], ['2', '3'], ['b', '4'], ['', '']])
  assert.equal(entry.get('b'), '1')
  assert.deepEqual(entry.getAll('b'), ['1', '4'])
  assert.equal(entry.get(''), '')
  assert.equal(entry.get('4'), undefined)
  assert.deepEqual(entry.getAll('none'), [])
  assert.deepEqual({ ...entry.toObject() }, { b: '4', 10: '2', 2: '3', '': '' })
})

test('no field name is special', async (t) => {
  const stream = (await database(t)).stream('s')
  const names = ['__proto__', 'constructor', 'toString', 'then', 'id', 'get', 'pairs', 'hasOwnProperty', 'length']
  await stream.add(names.map((name) => [name, `value of ${name}`]))
  await stream.add(Object.fromEntries([['__proto__', 'own']]))
  const [entry, other] = await stream.range().toArray()
  assert.deepEqual(entry.pairs.map(([name]) => name), names)
  for (const name of names) assert.equal(entry.get(name), `value of ${name}`)
  const object = entry.toObject()
  assert.equal(Object.getPrototypeOf(object), null)
  assert.deepEqual(Object.keys(object), names)
  assert.equal(object.__proto__, 'value of __proto__')
  assert.equal(other.get('__proto__'), 'own')
  assert.equal({}.own, undefined)
})

test('bytes that are no text stay bytes, and text stays text', async (t) => {
  const stream = (await database(t)).stream(bytes(0xff, 0x00, 0x73))
  const bom = '\ufeffwith a mark'
  const invalid = bytes(0xc3, 0x28)
  await stream.add([[invalid, bytes(0xff)], ['bom', bom], [bom, 'x'], ['nul', 'a\0b'], ['\u{1f600}', '\u00e9']])
  const [entry] = await stream.range().toArray()
  assert.deepEqual(entry.pairs, [
    [invalid, bytes(0xff)],
    ['bom', bom],
    [bom, 'x'],
    ['nul', 'a\0b'],
    ['\u{1f600}', '\u00e9'],
  ])
  assert.deepEqual(entry.bytes(invalid), bytes(0xff))
  assert.deepEqual(entry.bytes('bom'), new TextEncoder().encode(bom))
  assert.deepEqual(entry.bytes(new TextEncoder().encode('nul')), new TextEncoder().encode('a\0b'))
  assert.equal(entry.bytes('none'), undefined)
  assert.equal(entry.get('bom'), bom)
  assert.equal(entry.get('with a mark'), undefined)
  // What was handed out is the caller's own.
  entry.bytes(invalid).fill(0)
  assert.deepEqual(entry.bytes(invalid), bytes(0xff))
  await stream.add(entry)
  assert.deepEqual((await stream.range({ reverse: true }).toArray())[0].pairs, entry.pairs)
})

test('texts of every length and script come back', async (t) => {
  const stream = (await database(t)).stream('s')
  const lengths = [0, 1, 23, 24, 25, 127, 128, 253, 254, 255, 256, 257, 4095, 4096, 65_535, 65_536, 1_200_000]
  const characters = ['a', '\u00e9', '\u20ac', '\u{1f600}', '\x7f', '\x80']
  for (const length of lengths) {
    const value = (character) => character.repeat(Math.ceil(length / character.length)).slice(0, length & ~1)
    const fields = characters.map((character, place) => [`f${place}`, value(character)])
    await stream.add(fields)
    const [entry] = await stream.range({ reverse: true, count: 1 }).toArray()
    assert.deepEqual(entry.pairs, fields, `${length}`)
  }
})

test('a text with half a character is refused', async (t) => {
  const db = await database(t)
  const malformed = ['\ud800', 'a\udc00b', 'x'.repeat(300) + '\ud83d']
  for (const text of malformed) {
    const refused = { name: 'TypeError', message: /well-formed/ }
    await assert.rejects(db.stream('s').add({ a: text }), refused)
    await assert.rejects(db.stream('s').add({ [text]: 'a' }), refused)
    await assert.rejects(db.stream(text).length(), refused)
    await assert.rejects(db.call('XADD', 's', '*', 'a', text), refused)
    await assert.rejects(db.multi([['XLEN', 's'], ['XLEN', text]]), refused)
  }
  assert.equal(await db.stream('s').length(), 0)
})

test('IDs are exact', async (t) => {
  const db = await database(t)
  const ids = [
    '0-1',
    '4294967295-4294967295',
    '4294967296-4294967296',
    '9007199254740991-9007199254740991',
    '9007199254740993-9007199254740993',
    '18446744073709551615-0',
    '18446744073709551615-18446744073709551615',
  ]
  const stream = db.stream('s')
  for (const id of ids) assert.equal(await stream.add({ a: '1' }, { id }), id)
  assert.deepEqual((await stream.range().toArray()).map(({ id }) => id), ids)
  const reversed = await stream.range({ reverse: true }).toArray()
  assert.deepEqual(reversed.map(({ id }) => id), [...ids].reverse())
  const group = await stream.group('g')
  assert.deepEqual((await group.readBatch('c')).map(({ id }) => id), ids)
  assert.deepEqual((await group.pending({})).map(({ id }) => id), ids)
  assert.equal(await group.ack(ids), ids.length)
})

test('replies of call are what RESP2 has', async (t) => {
  const db = await database(t)
  assert.equal(await db.call('SET', 'text', 'x'), 'OK')
  assert.equal(await db.call('GET', 'none'), null)
  assert.deepEqual(await db.call('ECHO', bytes(0xff)), bytes(0xff))
  await db.call('XGROUP', 'CREATE', 's', 'g', 0, 'MKSTREAM')
  await db.call('XADD', 's', '1-1', 'n', 12.5)
  assert.deepEqual(await db.call('xread', 'STREAMS', 's', 0n), [['s', [['1-1', ['n', '12.5']]]]])
  assert.deepEqual((await db.call('XINFO', 'STREAM', 's')).slice(0, 2), ['length', 1])
  await db.call('XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', 's', '>')
  assert.equal(await db.call('XNACK', 's', 'g', 'FATAL', 'IDS', 1, '1-1'), 1)
  assert.deepEqual(await db.call('XPENDING', 's', 'g', '-', '+', 1), [['1-1', '', -1, 9223372036854775807n]])
  await assert.rejects(db.call('GET', 's'), { name: 'RedisError', code: 'WRONGTYPE' })
  await assert.rejects(db.call('NOSUCH'), { code: 'ERR', message: "ERR unknown command 'NOSUCH'" })
})

test('an error in a unit is a value, and nothing is rolled back', async (t) => {
  const db = await database(t)
  const add = ['XADD', 's', '1-1', 'a', 'b']
  const replies = await db.multi([add, ['GET', 's'], add, ['XLEN', 's']])
  assert.equal(replies.length, 4)
  assert.equal(replies[0], '1-1')
  assert.equal(replies[1].code, 'WRONGTYPE')
  assert.equal(replies[2].name, 'RedisError')
  assert.equal(replies[3], 1)
  await assert.rejects(db.multi([['XADD', 's', '*', 'a', 'b'], ['NOSUCH']]), { code: 'EXECABORT' })
  assert.equal(await db.stream('s').length(), 1)
  assert.deepEqual(await db.multi([]), [])
})

test('whatever random entries are added, the same are read', async (t) => {
  const db = await database(t)
  const random = randomNumbers(7)
  const text = () => {
    const kinds = [
      () => String(random(1000)),
      () => 'word'.repeat(random(9)),
      () => String.fromCodePoint(0x20 + random(0x2ff)).repeat(random(5)),
      () => Uint8Array.from({ length: random(40) }, () => random(256)),
      () => 'x'.repeat(random(600)),
    ]
    return kinds[random(kinds.length)]()
  }
  /** As it is read: text if it is any. */
  const read = (value) => {
    if (typeof value === 'string') return value
    const lossy = new TextDecoder('utf-8', { ignoreBOM: true }).decode(value)
    return new TextEncoder().encode(lossy).join() === value.join() ? lossy : value
  }
  const stream = db.stream('s')
  const rows = Array.from({ length: 2000 }, () => Array.from({ length: 1 + random(6) }, () => [text(), text()]))
  const ids = await stream.addMany(rows)
  const expected = rows.map((row, place) => [ids[place], row.map((pair) => pair.map(read))])
  const got = (entries) => entries.map((entry) => [entry.id, entry.pairs])
  assert.deepEqual(got(await collect(stream.range())), expected)
  assert.deepEqual(got(await stream.range({ reverse: true }).toArray()), [...expected].reverse())
  assert.deepEqual(got(await collect(stream.read({ after: '0', count: 2000 }))), expected)
  for (let round = 0; round < 200; round++) {
    const [low, high] = [random(2000), random(2000)].sort((a, b) => a - b)
    const count = 1 + random(300)
    const part = await stream.range({ from: ids[low], to: `(${ids[high]}`, count }).toArray()
    assert.deepEqual(got(part), expected.slice(low, high).slice(0, count))
  }
})

test('what is printed, cloned or written as JSON is the data, and nothing of the engine', async (t) => {
  const db = await database(t)
  const stream = db.stream('s')
  await stream.add([['a', 'x'], ['a', 'y']], { id: '1-1' })
  const group = await stream.group('g')
  const [entry] = await stream.range().toArray()
  const [message] = await group.readBatch('c')
  const data = { id: '1-1', flat: ['a', 'x', 'a', 'y'] }
  const told = { ...data, deliveries: 1, idle: 0 }
  assert.deepEqual(JSON.parse(JSON.stringify([entry, message])), [data, told])
  assert.deepEqual(structuredClone([entry, message]), [data, told])
  assert.deepEqual([{ ...entry }, { ...message }], [data, told])
  assert.notDeepEqual(entry, (await db.stream('s').range().toArray()).map(({ id }) => ({ id }))[0])
  assert.equal(JSON.stringify({ db, group }), '{"db":{},"group":{"stream":{"name":"s"},"name":"g"}}')
  for (const one of [db, stream, group, message]) assert.ok(inspect(one, { depth: 9 }).length < 200, inspect(one))
})

test('no name of a stream, a group, a consumer or a producer is special', async (t) => {
  const db = await database(t)
  const names = ['__proto__', 'constructor', 'toString', 'then', '0', '10', '', ' ', '\ufeffmark', '*', '$', '>']
  names.push('STREAMS', bytes(0xff), bytes(0xc3, 0x28), bytes(0, 0xff))
  for (const [place, name] of names.entries()) {
    const stream = db.stream(name)
    // Redis wants a name of a producer that is not empty.
    await stream.add({ place }, name === '' ? {} : { idempotent: { producer: name, id: '1' } })
    const group = await stream.group(name)
    const [message] = await group.readBatch(name)
    assert.equal(message.get('place'), String(place))
    assert.deepEqual((await group.pending()).consumers, [{ name, pending: 1 }])
    assert.deepEqual((await group.pending({ consumer: name })).map(({ consumer }) => consumer), [name])
    assert.deepEqual((await group.consumers()).map((one) => one.name), [name])
    assert.deepEqual((await stream.groups()).map((one) => one.name), [name])
    assert.equal((await group.info()).pending, 1)
  }
  const seen = new Set()
  const sources = names.map((name) => ({ stream: name, after: '0' }))
  for await (const { stream, entry } of db.read(sources, { count: names.length })) {
    assert.deepEqual(stream, names[Number(entry.get('place'))])
    seen.add(entry.get('place'))
  }
  assert.equal(seen.size, names.length)
  const { streams } = await db.inspect()
  assert.equal(streams.length, names.length)
  for (const { name, groups } of streams) assert.deepEqual(groups[0].consumers[0].name, name)
  // Bytes that are text are the same name as that text.
  assert.equal(await db.stream(new TextEncoder().encode('__proto__')).length(), 1)
})
