// A storage in files: torn ends, damage, full disks, failed syncs, power cuts, locks, and what lies beside.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { nodeFiles } from 'brooklet/node'
import { randomNumbers, settle } from './support/tools.mjs'
import { CLAIM, chunks, contentsOf, directoryOf, NOTHING, own, sequencesOf } from './support/storages.mjs'

const text = (value) => new TextEncoder().encode(value)
const BODIES = ['first', 'second one', 'the third']
const FRAME_BYTES = 32

/** Replaces a function of node:fs until the test ends, and gives what takes that back. */
function replace(t, name, make) {
  const before = fs[name]
  const restore = () => {
    fs[name] = before
    syncBuiltinESMExports()
  }
  fs[name] = make(before)
  syncBuiltinESMExports()
  t.after(restore)
  return restore
}

const failure = (code) => Object.assign(new Error(`${code}: planted`), { code })

/** The newest segment in a directory. */
function segmentOf(directory) {
  const numbers = (name) => name.match(/\d+/g).map(Number)
  const names = fs.readdirSync(directory).filter((name) => name.startsWith('log-'))
  const newest = names.toSorted((one, other) => {
    const [[epoch, number], [otherEpoch, otherNumber]] = [numbers(one), numbers(other)]
    return epoch - otherEpoch || number - otherNumber
  })
  return join(directory, newest.at(-1))
}

/** A directory with three chunks that are not durable, and where they are in their segment. */
async function threeChunks(t) {
  const directory = directoryOf(t)
  const connection = await own(nodeFiles(directory))
  const path = segmentOf(directory)
  const places = BODIES.map((body, at) => {
    const begin = fs.statSync(path).size
    connection.write(chunks([at + 1, text(body)]))
    return { begin, body: begin + FRAME_BYTES, end: fs.statSync(path).size }
  })
  connection.close()
  return { directory, path, places, bytes: fs.readFileSync(path) }
}

const open = (storage, readOnly = false) => storage.open({ newSegment: false, readOnly })

/** The log as texts. */
const textsOf = (connection) =>
  connection.readLog(0, Infinity).map(([sequence, bytes]) => [sequence, Buffer.from(bytes).toString('latin1')])

test('an end that is torn at any byte is shown, cut off, and written anew', async (t) => {
  const { directory, path, places, bytes } = await threeChunks(t)
  let cuts = 0
  for (let cut = places[1].begin; cut < bytes.length; cut++) {
    fs.writeFileSync(path, bytes.subarray(0, cut))
    const reader = await open(nodeFiles(directory), true)
    const whole = places.filter(({ end }) => end <= cut).length
    const { begin, body } = places[whole]
    const shown = bytes.subarray(cut < body ? begin : body, cut).toString('latin1')
    const expected = BODIES.slice(0, whole).map((body, at) => [at + 1, body])
    // A frame that ends where its body would begin leaves a chunk without bytes.
    if (cut > begin) expected.push([whole + 1, shown])
    assert.deepEqual(textsOf(reader), expected, `cut at ${cut}`)
    reader.close()
    cuts++
    if (cut % 4 !== 0) continue
    // Whoever comes next cuts it off, and writes behind it.
    const copy = directoryOf(t)
    fs.cpSync(directory, copy, { recursive: true })
    const connection = await own(nodeFiles(copy), 2)
    assert.deepEqual(textsOf(connection), expected, `claimed, cut at ${cut}`)
    await connection.write({ ...NOTHING, epoch: 2, deleteLogFrom: whole + 1 })
    connection.write({ ...chunks([whole + 1, text('again')]), epoch: 2 })
    connection.close()
    const after = await open(nodeFiles(copy), true)
    assert.deepEqual(textsOf(after), [...expected.slice(0, whole), [whole + 1, 'again']], `cut at ${cut}`)
    after.close()
  }
  t.diagnostic(`${cuts} cuts`)
})

test('what is written again and torn at any byte is still what was written first', async (t) => {
  const { directory } = await threeChunks(t)
  const storage = nodeFiles(directory)
  await own(storage, 2)
  // After a sync that failed, everything goes into a new segment.
  const connection = await storage.open({ newSegment: true, readOnly: false })
  await connection.write({ ...NOTHING, epoch: 2 })
  const path = segmentOf(directory)
  const { size } = fs.statSync(path)
  connection.write({ ...chunks(...BODIES.map((body, at) => [at + 1, text(body)]), [4, text('the next')]), epoch: 2 })
  connection.close()
  const bytes = fs.readFileSync(path)
  const last = bytes.length - 'the next'.length - FRAME_BYTES
  for (let cut = size; cut <= last; cut++) {
    fs.writeFileSync(path, bytes.subarray(0, cut))
    const reader = await open(nodeFiles(directory), true)
    const [first, second, third, ...rest] = textsOf(reader)
    assert.deepEqual([first, second, third], BODIES.map((body, at) => [at + 1, body]), `cut at ${cut}`)
    // What is left of the first frame is shown behind all others.
    assert.ok(rest.length === 0 || (cut < size + FRAME_BYTES && rest[0][0] === 4), `cut at ${cut}`)
    reader.close()
  }
})

test('a byte that is damaged hides no chunk but its own', async (t) => {
  const { directory, path, places, bytes } = await threeChunks(t)
  for (let at = places[1].begin; at < places[1].end; at++) {
    const damaged = Buffer.from(bytes)
    damaged[at] ^= 0x41
    fs.writeFileSync(path, damaged)
    const reader = await open(nodeFiles(directory), true)
    const [first, second, third] = textsOf(reader)
    assert.deepEqual([first, third], [[1, BODIES[0]], [3, BODIES[2]]], `byte ${at}`)
    assert.equal(second[0], 2)
    assert.notEqual(second[1], BODIES[1])
    reader.close()
  }
})

test('a damaged root is told, and nothing is written behind it', async (t) => {
  const { directory, path, places, bytes } = await threeChunks(t)
  for (let at = 0; at < places[0].begin; at++) {
    const damaged = Buffer.from(bytes)
    damaged[at] ^= 1
    fs.writeFileSync(path, damaged)
    const connection = await open(nodeFiles(directory))
    assert.equal(connection.readManifest(), 'unreadable', `byte ${at}`)
    assert.equal(connection.listLog(), null)
    await assert.rejects(connection.write(NOTHING), /log-1-1 is damaged: nothing was written/)
    connection.close()
  }
})

test('what a newer version has written is not touched', async (t) => {
  const directory = directoryOf(t)
  fs.mkdirSync(directory)
  const body = text('{"version":2}')
  const hash = (bytes) => bytes.reduce((state, byte) => Math.imul(state ^ byte, 0x01000193), 0x811c9dc5 | 0) >>> 0
  const segment = new Uint8Array(FRAME_BYTES + body.length)
  const view = new DataView(segment.buffer)
  view.setUint32(24, body.length, true)
  view.setUint32(28, hash(body), true)
  view.setUint32(0, hash(segment.subarray(4, FRAME_BYTES)), true)
  segment.set(body, FRAME_BYTES)
  fs.writeFileSync(join(directory, 'log-1-1'), segment)
  for (const readOnly of [false, true]) {
    await assert.rejects(open(nodeFiles(directory), readOnly), /log-1-1 was written by a newer version/)
  }
  assert.deepEqual(fs.readdirSync(directory), ['log-1-1'])
})

test('a copy of a segment in a chunk is not taken for chunks', async (t) => {
  const { directory, path, bytes } = await threeChunks(t)
  const connection = await own(nodeFiles(directory), 2)
  connection.write({ ...chunks([4, bytes]), epoch: 2 })
  connection.close()
  const segment = segmentOf(directory)
  assert.notEqual(segment, path)
  const damaged = fs.readFileSync(segment)
  const at = damaged.lastIndexOf(bytes) - FRAME_BYTES
  damaged[at] ^= 1
  fs.writeFileSync(segment, damaged)
  const reader = await open(nodeFiles(directory), true)
  assert.deepEqual(sequencesOf(reader), [1, 2, 3, 4])
  reader.close()
})

test('a segment that is missing leaves a chunk that cannot be read', async (t) => {
  const directory = directoryOf(t)
  const first = await own(nodeFiles(directory))
  await first.write({ ...chunks([1, text('one')], [2, text('two')]), durable: true })
  first.write(chunks([3, text('three')]))
  first.close()
  const second = await own(nodeFiles(directory), 2)
  await second.write({ ...NOTHING, epoch: 2, deleteLogFrom: 3 })
  fs.rmSync(join(directory, 'log-1-1'))
  second.close()
  const reader = await open(nodeFiles(directory), true)
  assert.deepEqual(reader.readLog(0, Infinity), [[2, 'unreadable']])
  reader.close()
})

test('what lands behind the claim of another owner is never read', async (t) => {
  const directory = directoryOf(t)
  const old = await own(nodeFiles(directory))
  await old.write({ ...chunks([1, text('one')], [2, text('two')]), durable: true })
  old.write(chunks([3, text('three')]))
  const path = segmentOf(directory)
  const before = fs.readFileSync(path)
  old.write(chunks([4, text('four')], [5, text('five')]))
  const after = fs.readFileSync(path)
  old.close()
  // As if he had been stopped before he wrote 4 and 5, and went on behind the claim.
  fs.truncateSync(path, before.length)
  const owner = await own(nodeFiles(directory), 2)
  fs.writeFileSync(path, after)
  owner.write({ ...chunks([4, text('new')]), epoch: 2 })
  await owner.write({ ...CLAIM, epoch: 3 })
  const expected = [[1, 'one'], [2, 'two'], [3, 'three'], [4, 'new']]
  assert.deepEqual(textsOf(owner), expected)
  owner.close()
  const reader = await open(nodeFiles(directory), true)
  assert.deepEqual(textsOf(reader), expected)
  reader.close()
  assert.ok(fs.existsSync(path), 'nothing is needed of the old segment')
})

test('what comes behind a claim is not answered, wherever the claim comes in between', async (t) => {
  const places = [
    ['writeSync', chunks([2, text('two')]), true],
    ['fdatasync', { ...chunks([2, text('two')]), durable: true }, true],
    ['fdatasync', { ...NOTHING, manifest: text('m') }, false],
    ['fsync', { ...NOTHING, manifest: text('m') }, true],
    ['renameSync', { ...NOTHING, deleteLogUpto: 1 }, true],
    ['renameSync', { ...NOTHING, parts: [[1, text('part')]] }, false],
  ]
  for (const [name, batch, hasLanded] of places) {
    const directory = directoryOf(t)
    const connection = await own(nodeFiles(directory))
    connection.write(chunks([1, text('one')]))
    const before = fs.readFileSync(segmentOf(directory))
    const path = segmentOf(directory)
    // What another owner does first when he claims.
    const claim = () => {
      fs.closeSync(fs.openSync(join(directory, 'epoch-2'), 'w'))
      fs.truncateSync(join(directory, 'epoch-1'), 1)
    }
    const restore = replace(t, name, (run) => (...words) => {
      fs[name] = run
      syncBuiltinESMExports()
      claim()
      return run(...words)
    })
    await assert.rejects(async () => connection.write(batch), { name: 'FencedError' }, name)
    restore()
    const isSame = segmentOf(directory) === path && fs.readFileSync(path).equals(before)
    assert.equal(isSame, !hasLanded, `${name}: it did not come to that`)
    connection.close()
  }
})

test('a claim is fenced off by a higher one that came while it looked', async (t) => {
  const directory = directoryOf(t)
  const connection = await open(nodeFiles(directory))
  const restore = replace(t, 'openSync', (run) => (path, ...words) => {
    // The higher one is complete before the file of this one is there, so it does not mark it.
    if (path.endsWith('epoch-5')) fs.writeFileSync(join(directory, 'epoch-7'), '')
    return run(path, ...words)
  })
  await assert.rejects(connection.write({ ...CLAIM, epoch: 5 }), { name: 'FencedError' })
  restore()
  await assert.rejects(connection.write({ ...NOTHING, epoch: 5 }), { name: 'FencedError' })
  assert.equal(connection.readEpoch(), 7)
  connection.close()
})

test('an append that finds no room leaves nothing', async (t) => {
  const directory = directoryOf(t)
  const connection = await own(nodeFiles(directory))
  connection.write(chunks([1, text('one')]))
  const restore = replace(t, 'writeSync', (write) => (fd, bytes, offset, length, at) => {
    write(fd, bytes, offset, length >> 1, at)
    throw failure('ENOSPC')
  })
  assert.throws(() => connection.write(chunks([2, text('two')], [3, text('three')])), { code: 'ENOSPC' })
  await assert.rejects(connection.write({ ...NOTHING, parts: [[1, text('part')]] }), { code: 'ENOSPC' })
  await assert.rejects(connection.write({ ...NOTHING, manifest: text('new'), durable: true }), { code: 'ENOSPC' })
  restore()
  assert.deepEqual(sequencesOf(connection), [1])
  assert.equal(connection.readManifest(), null)
  assert.deepEqual(connection.listParts(), [])
  assert.deepEqual(fs.readdirSync(directory).filter((name) => /tmp|part/.test(name)), [])
  connection.write(chunks([2, text('two')]))
  connection.close()
  const reader = await open(nodeFiles(directory), true)
  assert.deepEqual(textsOf(reader), [[1, 'one'], [2, 'two']])
  reader.close()
})

test('what the system writes in pieces is written', async (t) => {
  const directory = directoryOf(t)
  const connection = await own(nodeFiles(directory))
  replace(t, 'writeSync', (write) => (fd, bytes, offset, length, at) => write(fd, bytes, offset, Math.min(length, 7), at))
  connection.write(chunks([1, text('a longer chunk that comes in pieces')]))
  await connection.write({ ...NOTHING, manifest: text('a manifest'), durable: true })
  connection.close()
  const reader = await open(nodeFiles(directory), true)
  assert.deepEqual(textsOf(reader), [[1, 'a longer chunk that comes in pieces']])
  assert.deepEqual(reader.readManifest(), text('a manifest'))
  reader.close()
})

test('an append that cannot be taken back ends the connection, and the next one repeats it', async (t) => {
  const directory = directoryOf(t)
  const storage = nodeFiles(directory)
  const connection = await own(storage)
  const restores = [
    replace(t, 'ftruncateSync', () => () => {
      throw failure('EIO')
    }),
    replace(t, 'writeSync', (write) => (fd, bytes, offset, length, at) => {
      write(fd, bytes, offset, length - 2, at)
      throw failure('EIO')
    }),
  ]
  assert.throws(() => connection.write(chunks([1, text('whole')])), { code: 'EIO' })
  for (const restore of restores) restore()
  assert.throws(() => connection.write(chunks([1, text('whole')])), { name: 'InvalidStateError' })
  const next = await open(storage)
  assert.deepEqual(textsOf(next), [[1, 'who']])
  await next.write(chunks([1, text('whole')], [2, text('more')]))
  assert.deepEqual(textsOf(next), [[1, 'whole'], [2, 'more']])
  next.close()
})

test('after a sync that failed nothing is written until there is a new segment', async (t) => {
  const directory = directoryOf(t)
  const storage = nodeFiles(directory)
  const connection = await own(storage)
  connection.write(chunks([1, text('one')]))
  const restore = replace(t, 'fdatasync', () => (_, done) => setImmediate(done, failure('EIO')))
  await assert.rejects(connection.write({ ...chunks([2, text('two')]), durable: true }), { code: 'EIO' })
  restore()
  for (const batch of [chunks([3, text('three')]), { ...NOTHING, durable: true }]) {
    assert.throws(() => connection.write(batch), { name: 'InvalidStateError' })
  }
  await assert.rejects(connection.write({ ...NOTHING, manifest: text('m') }), { name: 'InvalidStateError' })
  assert.deepEqual(sequencesOf(connection), [1, 2])
  const before = segmentOf(directory)
  const next = await storage.open({ newSegment: true, readOnly: false })
  await next.write({ ...chunks([2, text('two')], [3, text('three')]), durable: true })
  assert.notEqual(segmentOf(directory), before)
  // Nothing is needed of where the sync failed.
  assert.deepEqual(fs.readdirSync(directory).filter((name) => name.startsWith('log-')).length, 1)
  assert.deepEqual(textsOf(next), [[1, 'one'], [2, 'two'], [3, 'three']])
  next.close()
})

test('there is one sync at a time, and none after one has failed', async (t) => {
  const connection = await own(nodeFiles(directoryOf(t)))
  const waiting = []
  replace(t, 'fdatasync', () => (_, done) => waiting.push(done))
  const write = (sequence) => connection.write({ ...chunks([sequence, text('x')]), durable: true })
  const writes = [1, 2, 3].map((sequence) => write(sequence).then(() => 'durable', ({ code, name }) => code ?? name))
  await settle()
  assert.equal(waiting.length, 1)
  waiting[0](null)
  await settle()
  assert.equal(waiting.length, 2)
  waiting[1](failure('EIO'))
  assert.deepEqual(await Promise.all(writes), ['durable', 'EIO', 'InvalidStateError'])
  assert.equal(waiting.length, 2)
  connection.close()
})

/**
 * What a disk would have after a power cut: of each file at least the bytes that were synced last, of names at least those
 * that were there both when the directory was synced last and in the end. The rest is up to `random`.
 */
function watchDisk(t, directory) {
  /** The synced bytes of files, by their inodes. */
  const contents = new Map()
  const inode = (path) => fs.statSync(path, { bigint: true }).ino
  const list = () => new Map(fs.readdirSync(directory).map((name) => [name, inode(join(directory, name))]))
  let names = new Map()
  const note = (fd) => {
    if (fs.fstatSync(fd).isDirectory()) {
      names = list()
      return
    }
    const { ino } = fs.fstatSync(fd, { bigint: true })
    const name = [...list()].find(([, other]) => other === ino)?.[0]
    if (name !== undefined) contents.set(ino, fs.readFileSync(join(directory, name)))
  }
  for (const name of ['fsync', 'fdatasync']) {
    replace(t, name, (sync) => (fd, done) =>
      sync(fd, (error) => {
        if (error === null) note(fd)
        done(error)
      }),
    )
  }
  return (random) => {
    const found = directoryOf(t)
    fs.mkdirSync(found)
    const now = list()
    for (const name of new Set([...names.keys(), ...now.keys()])) {
      const ino = names.get(name) === now.get(name) || random(2) === 0 ? now.get(name) : names.get(name)
      if (ino === undefined) continue
      const durable = contents.get(ino) ?? Buffer.alloc(0)
      const current = now.get(name) === ino ? fs.readFileSync(join(directory, name)) : durable
      // Behind what is durable there may be anything: nothing, a part, zeros.
      const more = Buffer.from(current.subarray(durable.length))
      const kept = more.subarray(0, random(more.length + 1))
      if (random(3) === 0) kept.fill(0, random(kept.length + 1))
      fs.writeFileSync(join(found, name), Buffer.concat([durable, kept]))
    }
    return found
  }
}

/** Lives through a few steps, and cuts the power after each. */
async function liveWithPowerCuts(t, random, steps) {
  const directory = directoryOf(t)
  fs.mkdirSync(directory)
  const cut = watchDisk(t, directory)
  const storage = nodeFiles(directory)
  let connection = await own(storage)
  let [last, durable, upto] = [0, 0, 0]
  for (let step = 0; step < steps; step++) {
    switch (random(10)) {
      case 0:
        upto = Math.max(upto, last - random(4))
        await connection.write({ ...NOTHING, manifest: text(`${upto}`), deleteLogUpto: upto, durable: true })
        durable = last
        break
      case 1:
        connection = await storage.open({ newSegment: random(2) === 0, readOnly: false })
        break
      default: {
        const isDurable = random(4) === 0
        const id = random(4)
        const parts = random(4) === 0 ? [[id, text(`part ${id}, step ${step}`)]] : []
        const deleteParts = random(6) === 0 ? [random(4)] : []
        const sequences = Array.from({ length: random(3) }, () => ++last)
        const all = sequences.map((sequence) => [sequence, text(`chunk ${sequence} ${'x'.repeat(random(90))}`)])
        await connection.write({ ...NOTHING, chunks: all, parts, deleteParts, durable: isDurable })
        if (isDurable) durable = last
      }
    }
    const next = await own(nodeFiles(cut(random)), 2)
    const textOf = (bytes) => Buffer.from(bytes ?? '').toString()
    const covered = Number(textOf(next.readManifest() ?? text('0')))
    const behind = next.readLog(covered + 1, Infinity)
    const where = `step ${step}, durable up to ${durable}, found ${covered} and ${behind.length} chunks`
    assert.ok(covered + behind.length >= durable, where)
    behind.forEach(([sequence, bytes], at) => {
      assert.equal(sequence, covered + 1 + at, where)
      if (sequence <= durable) assert.ok(textOf(bytes).startsWith(`chunk ${sequence} `), where)
    })
    for (const id of next.listParts()) assert.ok(textOf(next.readParts([id])[0]).startsWith(`part ${id}, `), where)
    next.close()
  }
  connection.close()
}

test('a power cut takes nothing that is durable', async (t) => {
  for (let seed = 1; seed <= 12; seed++) {
    await t.test(`seed ${seed}, 50 power cuts`, (t) => liveWithPowerCuts(t, randomNumbers(seed), 50))
  }
})

test('what is not durable is written again with a claim', async (t) => {
  const directory = directoryOf(t)
  const connection = await own(nodeFiles(directory))
  await connection.write({ ...chunks([1, text('durable')]), durable: true })
  const path = segmentOf(directory)
  const durable = fs.statSync(path).size
  connection.write(chunks([2, text('written')], [3, text('as well')]))
  connection.close()
  const next = await own(nodeFiles(directory), 2)
  next.close()
  // A file whose sync had failed may end where it was durable.
  fs.truncateSync(path, durable)
  const reader = await open(nodeFiles(directory), true)
  assert.deepEqual(textsOf(reader), [[1, 'durable'], [2, 'written'], [3, 'as well']])
  reader.close()
})

test('files do not pile up', async (t) => {
  const directory = directoryOf(t)
  const storage = nodeFiles(directory)
  for (let epoch = 1; epoch <= 9; epoch++) {
    const connection = await own(storage, epoch)
    for (let round = 0; round < 9; round++) {
      const number = epoch * 9 + round
      const one = [[number, new Uint8Array(5000)]]
      await connection.write({ ...NOTHING, epoch, chunks: one, parts: one })
      const deletes = { deleteLogUpto: number - 1, deleteParts: [number - 1] }
      await connection.write({ ...NOTHING, epoch, manifest: text('m'), ...deletes })
    }
    connection.close()
    const names = fs.readdirSync(directory)
    assert.ok(names.length <= 4, names.join())
    assert.ok(storage.describe().usage < 12_000, `${storage.describe().usage}`)
  }
})

test('a directory with anything else in it is refused, and left as it is', async (t) => {
  const directory = directoryOf(t)
  fs.mkdirSync(directory)
  for (const name of ['package.json', 'log.txt', 'part-1-2.old', 'z']) fs.writeFileSync(join(directory, name), 'mine')
  const storage = nodeFiles(directory)
  const message =
    `${directory} holds files that are not of brooklet, and nothing was touched: "log.txt", "package.json", ` +
    '"part-1-2.old" and 1 more. Give a directory that is empty, or one that does not exist yet'
  const isRefusal = (error) => {
    assert.equal(error.message.replace(/"log.*old"/, '"log.txt", "package.json", "part-1-2.old"'), message)
    return true
  }
  await assert.rejects(storage.open({ newSegment: false, readOnly: false }), isRefusal)
  await assert.rejects(storage.open({ newSegment: false, readOnly: true }), isRefusal)
  await assert.rejects(storage.lock({ wait: 0, steal: false }), isRefusal)
  assert.deepEqual(fs.readdirSync(directory).toSorted(), ['log.txt', 'package.json', 'part-1-2.old', 'z'])
  for (const name of fs.readdirSync(directory)) fs.rmSync(join(directory, name))
  // Systems leave such files.
  fs.writeFileSync(join(directory, '.DS_Store'), '')
  ;(await own(storage)).close()
  storage.destroy()
  assert.deepEqual(fs.readdirSync(directory), ['.DS_Store'])
})

test('who reads only leaves no trace', async (t) => {
  const directory = directoryOf(t)
  const nothing = await open(nodeFiles(directory), true)
  assert.equal(nothing.listLog(), null)
  assert.throws(() => fs.statSync(directory), { code: 'ENOENT' })
  nothing.close()
  const owner = await own(nodeFiles(directory))
  owner.write(chunks([1, text('one')]))
  const before = fs.readdirSync(directory)
  const reader = await open(nodeFiles(directory), true)
  assert.deepEqual(textsOf(reader), [[1, 'one']])
  // It sees what the owner writes meanwhile.
  owner.write(chunks([2, text('two')]))
  assert.deepEqual(reader.listLog(), [1, 2])
  await owner.write({ ...NOTHING, manifest: text('m'), deleteLogUpto: 1 })
  assert.deepEqual(reader.listLog(), [2, 2])
  assert.deepEqual(reader.readManifest(), text('m'))
  await assert.rejects(async () => reader.write(chunks([3, text('three')])), TypeError)
  reader.close()
  assert.equal(fs.readdirSync(directory).length, before.length)
  owner.close()
})

test('directory and files are for this user alone', { skip: process.platform === 'win32' }, async (t) => {
  const directory = directoryOf(t)
  const storage = nodeFiles(directory)
  const letGo = await storage.lock({ wait: 0, steal: false })
  const connection = await own(storage)
  await connection.write({ ...chunks([1, text('one')]), parts: [[1, text('part')]], quarantineFrom: 1 })
  await storage.writeWitness(text('witness'))
  const mode = (path) => fs.statSync(path).mode & 0o777
  assert.equal(mode(directory), 0o700)
  const names = fs.readdirSync(directory)
  assert.deepEqual(names.map((name) => name.split('-')[0]).toSorted(), ['epoch', 'lock', 'log', 'part', 'quarantine'])
  for (const path of [...names.map((name) => join(directory, name)), `${directory}.witness`]) assert.equal(mode(path), 0o600)
  connection.close()
  letGo()
})

test('the witness notices an emptied directory, and goes with what it witnessed', async (t) => {
  const directory = directoryOf(t)
  const storage = nodeFiles(directory)
  ;(await own(storage)).close()
  await storage.writeWitness(text('there was something'))
  fs.rmSync(directory, { recursive: true })
  assert.deepEqual(nodeFiles(directory).readWitness(), text('there was something'))
  storage.destroy()
  assert.equal(storage.readWitness(), null)
  assert.deepEqual(fs.readdirSync(join(directory, '..')), [])
  const elsewhere = nodeFiles(directory, { witness: `${directory}.elsewhere` })
  await Promise.all(['there', 'or', 'here'].map((place) => elsewhere.writeWitness(text(place))))
  assert.deepEqual(elsewhere.readWitness(), text('here'))
  assert.deepEqual(fs.readdirSync(join(directory, '..')), ['data.elsewhere'])
  const none = nodeFiles(directory, { witness: null })
  await none.writeWitness(text('nowhere'))
  assert.equal(none.readWitness(), null)
  // Where nothing may be written beside the directory, there is no witness.
  replace(t, 'openSync', () => () => {
    throw failure('EROFS')
  })
  await storage.writeWitness(text('nowhere'))
})

test('what is put aside is kept', async (t) => {
  const { directory } = await threeChunks(t)
  const connection = await own(nodeFiles(directory), 2)
  await connection.write({ ...NOTHING, epoch: 2, quarantineFrom: 2 })
  connection.close()
  const [name, ...others] = fs.readdirSync(directory).filter((name) => name.startsWith('quarantine-'))
  assert.deepEqual(others, [])
  const bytes = fs.readFileSync(join(directory, name), 'latin1')
  assert.deepEqual(BODIES.map((body) => bytes.includes(body)), [false, true, true])
})

/** A lock with this content, as somebody else has left it. */
function leaveLock(directory, content) {
  fs.mkdirSync(directory, { recursive: true })
  fs.writeFileSync(join(directory, 'lock-3'), content)
}

const lockNow = (directory, how) => nodeFiles(directory).lock({ wait: 0, steal: false, ...how })

test('the lock of a dead process is taken over at once', async (t) => {
  const { pid } = spawnSync(process.execPath, ['-e', ''])
  const dead = [
    { pid, host: hostname(), began: '1' },
    // The number of a process is given to another one, which began later.
    ...(fs.existsSync('/proc/self/stat') ? [{ pid: process.pid, host: hostname(), began: '1' }] : []),
  ]
  for (const content of [...dead.map((holder) => JSON.stringify(holder)), '', '\0\0\0\0']) {
    const directory = directoryOf(t)
    leaveLock(directory, content)
    ;(await lockNow(directory))()
  }
})

test('the lock of a living process is held, and it says whose it is', async (t) => {
  const holders = [
    { pid: 1, host: 'elsewhere', began: '1' },
    { pid: process.ppid, host: hostname(), began: beganOf(process.ppid) },
  ]
  for (const holder of holders) {
    const directory = directoryOf(t)
    leaveLock(directory, JSON.stringify(holder))
    await assert.rejects(lockNow(directory), {
      name: 'LockedError',
      message:
        `${directory} is open in process ${holder.pid} on ${holder.host}: close it there, ` +
        'wait for that with `wait`, or take it over with `steal`',
    })
    const letGo = await lockNow(directory, { steal: true })
    await assert.rejects(lockNow(directory), { name: 'LockedError' })
    letGo()
    ;(await lockNow(directory))()
  }
})

test('a process that may not be asked is alive', async (t) => {
  const directory = directoryOf(t)
  const { pid } = spawnSync(process.execPath, ['-e', ''])
  leaveLock(directory, JSON.stringify({ pid, host: hostname(), began: '1' }))
  const kill = t.mock.method(process, 'kill', () => {
    throw failure('EPERM')
  })
  syncBuiltinESMExports()
  await assert.rejects(lockNow(directory), { name: 'LockedError' })
  kill.mock.restore()
  syncBuiltinESMExports()
  ;(await lockNow(directory))()
})

function beganOf(pid) {
  try {
    const status = fs.readFileSync(`/proc/${pid}/stat`, 'utf8')
    return status.slice(status.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return ''
  }
}

test('of many who want the lock of a dead process one gets it', async (t) => {
  for (let round = 0; round < 20; round++) {
    const directory = directoryOf(t)
    leaveLock(directory, '')
    const results = await Promise.allSettled(Array.from({ length: 10 }, () => lockNow(directory)))
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
    for (const { reason } of results) if (reason) assert.equal(reason.name, 'LockedError')
    assert.ok(fs.readdirSync(directory).length <= 2)
  }
})

test('a directory has to be named', () => {
  for (const directory of ['', undefined, 5, new URL('file:///tmp')]) {
    assert.throws(() => nodeFiles(directory), { name: 'TypeError', message: /^directory must be a string/ })
  }
  assert.equal(nodeFiles('./data').name, 'files:./data')
})
