// The package beside what its users have today: ioredis-mock in the same process, ioredis and redis-benchmark with a real
// redis-server on the loopback interface.
//
// Run: cargo xtask bench npm
//
// BROOKLET_REDIS=host:port names the server, which is emptied.

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import Redis from 'ioredis'
import RedisMock from 'ioredis-mock'
import { open } from '../dist/index.js'
import { fields, Reader, words } from './data.mjs'
import { openPages, openProcesses } from './openings.mjs'
import { digits, inTurn, Rounds, table } from './rounds.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const [host, port] = (process.env.BROOKLET_REDIS ?? '').split(':')
if (port === undefined) throw new Error('BROOKLET_REDIS has to say host:port of a redis-server, which is emptied')

/** Entries of a stream that is read. */
const ENTRIES = 100_000
/** Entries of a page or a batch. */
const PAGE = 100

const reader = new Reader()
const database = await open()
const redis = new Redis({ host, port: Number(port) })
await redis.flushall()

const rows = []
/** A row: what was done, our time and that of the other side, how often ours goes into theirs, and the target. */
function row(what, ours, other, theirs, target) {
  const ratio = theirs.median / ours.median
  const verdict = target === undefined ? '' : `>= ${target}: ${ratio >= target ? 'reached' : 'missed'}`
  rows.push([what, ...ours.cells, other, ...theirs.cells, digits(ratio), verdict])
}

console.log(`Node ${process.version}; times are microseconds for one entry\n`)
await addOne()
await addMany()
await readRanges()
await readGroups()
table(['', 'brooklet', 'spread', 'beside', 'time', 'spread', 'ratio', 'target'], rows)
await openings()
downloads()
redis.disconnect()
await database.close()
if (reader.sum === 0) throw new Error('nothing was read')

/** One awaited append after the other. The mock becomes slower with each entry, so it is asked at 2,000 of them. */
async function addOne() {
  const [before, units] = [2_000, 200]
  const stream = database.stream('one')
  let mock
  let next = 0
  const fill = async () => {
    await database.call('DEL', 'one')
    await stream.addMany(Array.from({ length: before }, (_, number) => fields(number)))
  }
  const fillMock = async () => {
    mock?.disconnect()
    mock = new RedisMock()
    await mock.flushall()
    for (let number = 0; number < before; number++) await mock.xadd('one', '*', ...words(number))
  }
  const add = async () => {
    for (let count = 0; count < units; count++) await stream.add(fields(next++))
  }
  const addToMock = async () => {
    for (let count = 0; count < units; count++) await mock.xadd('one', '*', ...words(next++))
  }
  const addToRedis = async () => {
    for (let count = 0; count < units; count++) await redis.xadd('one', '*', ...words(next++))
  }
  const [ours, mocks, sockets] = await inTurn(40, [
    { units, before: fill, work: add },
    { units, before: fillMock, work: addToMock },
    { units, work: addToRedis },
  ])
  row('`await stream.add({...})`', ours, 'ioredis-mock at 2,000 entries', mocks, 15)
  row('', ours, 'ioredis, awaited', sockets)
}

/** A thousand appends at once, beside the fastest client there is. */
async function addMany() {
  const units = 1_000
  const stream = database.stream('many')
  const batch = Array.from({ length: units }, (_, number) => fields(number))
  const ours = new Rounds()
  const pipelined = new Rounds()
  const pipelines = new Rounds()
  for (let turn = 0; turn < 7; turn++) {
    const [some, others] = await inTurn(30, [
      {
        units,
        before: () => database.call('DEL', 'many'),
        work: async () => {
          for (const id of await stream.addMany(batch)) reader.text(id)
        },
      },
      {
        units,
        before: () => redis.del('many'),
        work: async () => {
          const pipeline = redis.pipeline()
          for (const entry of batch) pipeline.xadd('many', '*', ...Object.entries(entry).flat())
          for (const [, id] of await pipeline.exec()) reader.text(id)
        },
      },
    ])
    for (const time of some.times) ours.add(time)
    for (const time of others.times) pipelines.add(time)
    await redis.del('many')
    pipelined.add(1e6 / redisBenchmark())
  }
  row('`await stream.addMany(1,000)`', ours, '`redis-benchmark -P 100`', pipelined, 2.5)
  row('', ours, 'ioredis, pipeline of 1,000', pipelines)
}

/** How many XADD a second redis-benchmark does, with 50 connections and pipelines of 100. */
function redisBenchmark() {
  const options = ['-h', host, '-p', port, '--csv', '-P', '100', '-n', '200000']
  const output = execFileSync('redis-benchmark', [...options, 'XADD', 'many', '*', ...words(1234)], { encoding: 'utf8' })
  const rate = /^"XADD[^"]*","([0-9.]+)"/m.exec(output)?.[1]
  if (rate === undefined) throw new Error(`redis-benchmark printed something else:\n${output}`)
  return Number(rate)
}

/** Fills a stream on both sides, for those that read. */
async function fillBoth(name) {
  await database.stream(name).addMany(Array.from({ length: ENTRIES }, (_, number) => fields(number)))
  for (let number = 0; number < ENTRIES; ) {
    const pipeline = redis.pipeline()
    for (let count = 0; count < 1_000; count++) pipeline.xadd(name, '*', ...words(number++))
    await pipeline.exec()
  }
}

/** Pages of a hundred, from one end to the other. */
async function readRanges() {
  await fillBoth('range')
  const stream = database.stream('range')
  const pages = 20
  const places = { array: '-', loop: '-', theirs: '-' }
  const [ours, theirs, loop] = await inTurn(150, [
    {
      units: pages * PAGE,
      work: async () => {
        for (let page = 0; page < pages; page++) {
          const entries = await stream.range({ from: places.array, count: PAGE }).toArray()
          for (const entry of entries) reader.entry(entry)
          places.array = entries.length < PAGE ? '-' : `(${entries.at(-1).id}`
        }
      },
    },
    {
      units: pages * PAGE,
      work: async () => {
        for (let page = 0; page < pages; page++) {
          const entries = await redis.xrange('range', places.theirs, '+', 'COUNT', PAGE)
          for (const entry of entries) reader.array(entry)
          places.theirs = entries.length < PAGE ? '-' : `(${entries.at(-1)[0]}`
        }
      },
    },
    {
      units: pages * PAGE,
      work: async () => {
        for (let page = 0; page < pages; page++) {
          let count = 0
          for await (const entry of stream.range({ from: places.loop, count: PAGE })) {
            reader.entry(entry)
            places.loop = `(${entry.id}`
            count += 1
          }
          if (count < PAGE) places.loop = '-'
        }
      },
    },
  ])
  row('`stream.range` of 100, `toArray()`', ours, 'ioredis, XRANGE of 100', theirs, 8)
  row('`for await (e of stream.range)` of 100', loop, 'the same', theirs)
}

/** Batches of a hundred, read and acknowledged. */
async function readGroups() {
  await fillBoth('group')
  const stream = database.stream('group')
  const group = await stream.group('workers')
  await redis.xgroup('CREATE', 'group', 'workers', '0')
  const looped = await stream.group('loop')
  const batches = 10
  const rounds = 80
  const [ours, theirs, loop] = await inTurn(rounds, [
    {
      units: batches * PAGE,
      work: async () => {
        for (let batch = 0; batch < batches; batch++) {
          const messages = await group.readBatch('one', { count: PAGE })
          for (const message of messages) reader.entry(message)
          if ((await group.ack(messages.map((message) => message.id))) !== PAGE) throw new Error('a batch was short')
        }
      },
    },
    {
      units: batches * PAGE,
      work: async () => {
        for (let batch = 0; batch < batches; batch++) {
          const reply = await redis.xreadgroup('GROUP', 'workers', 'one', 'COUNT', PAGE, 'STREAMS', 'group', '>')
          const entries = reply[0][1]
          for (const entry of entries) reader.array(entry)
          if ((await redis.xack('group', 'workers', ...entries.map(([id]) => id))) !== PAGE) throw new Error('a batch was short')
        }
      },
    },
    {
      units: batches * PAGE,
      work: async () => {
        for await (const message of looped.read('one', { count: batches * PAGE })) {
          reader.entry(message)
          message.ack()
        }
      },
    },
  ])
  row('`group.readBatch` of 100, `group.ack`', ours, 'ioredis, XREADGROUP and XACK', theirs, 6)
  row('`for await (m of group.read)`, `m.ack()`', loop, 'the same', theirs)
}

/** How long a program or a page waits before it can begin. */
async function openings() {
  const count = 15
  const processes = openProcesses(count)
  const pages = await openPages(count)
  const lines = []
  const lineOf = (where, what, told, target) => {
    const times = told.toSorted((one, other) => one - other)
    const median = times[Math.floor(count / 2)]
    const verdict = target === undefined ? '' : `< ${target} ms: ${median < target ? 'reached' : 'missed'}`
    lines.push([where, what, median.toFixed(1), times.at(-1).toFixed(1), verdict])
  }
  for (const [where, told] of [['Node', processes], [`Chromium ${pages?.version}`, pages?.told]]) {
    if (told === undefined) continue
    lineOf(where, '`await open()`', told.map(({ open }) => open), 20)
    lineOf('', 'with loading the package', told.map(({ all }) => all))
  }
  table(['first of a process or page', '', 'median ms', `longest of ${count}`, 'target'], lines)
}

/** What is to be downloaded. */
function downloads() {
  const size = (name) => gzipSync(readFileSync(join(here, '..', 'dist', name)), { level: 9 }).length / 1000
  const line = (what, bytes, target) => [what, bytes.toFixed(1), `<= ${target}: ${bytes <= target ? 'reached' : 'missed'}`]
  table(
    ['download', 'KB, gzip', 'target'],
    [
      line('the engine', size('engine.wasm'), 45),
      line('JavaScript, glue included', size('slim.js'), 8),
      line('default import', size('index.js'), 76),
    ],
  )
}
