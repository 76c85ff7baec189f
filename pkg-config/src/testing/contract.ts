// The contract: whether a storage keeps to what types/storage.d.ts says, sentence by sentence.
//
// *Design.* A check is a name and a function; each has a place of its own. They see a storage from outside, as the library
// does, and know nothing of how it is made. What cannot be brought about from outside, a power cut or a process that is
// stopped, is for the tests of each storage.
//
// *Why not tests of one framework.* A storage that somebody else writes is tested in his.
//
// *Power.* test/contract.test.mjs breaks a storage in one way after the other, and each has to be noticed here.

import type { StorageBatch } from '../../types/storage.js'
import type { StorageCheck, StorageChecks, StoragePlace, checkStorage as type } from '../../types/testing.js'
import { live } from './history.js'
import { ensure, ensureSame, failureOf, few, filled, Probe, type Session } from './probe.js'

/** What is checked in one place. */
type Check = (probe: Probe, place: StoragePlace) => Promise<void>

const STALE_TRIES = 1000

/** A log with the chunks 1 to 9, owned by epoch 1. */
async function nineChunks(probe: Probe): Promise<Session> {
  const session = await probe.own()
  await session.write({ chunks: [1, 2, 3, 4].map((sequence) => [sequence, filled(100, sequence)] as const) })
  for (let sequence = 5; sequence < 10; sequence++) {
    await session.write({ chunks: [[sequence, filled(100, sequence)]], durable: sequence === 7 })
  }
  return session
}

const REOPENED = 'reopened'

/** The session, and then one that was opened after it was closed. */
async function* twice(session: Session): AsyncIterable<Session> {
  yield session
  session.close()
  yield await session.probe.open()
}

/** Looks at the sequences now, and after the storage was opened again. */
async function ensureLog(session: Session, expected: number[], what: string): Promise<void> {
  for await (const one of twice(session)) ensureSame(await one.sequences(), expected, what)
}

const CHECKS: Record<string, Check> = {
  'an empty storage holds nothing': async (probe) => {
    const session = await probe.open()
    const nothing = { epoch: 0, manifest: null, bounds: null, chunks: [], parts: [] }
    ensureSame(await session.contents(), nothing, 'empty')
    ensureSame(await session.parts([1, 2]), [null, null], 'missing parts')
    session.close()
  },

  'what it is like is said once and stays': async ({ storage }) => {
    ensure(typeof storage.name === 'string' && storage.name !== '', 'it has no name')
    for (const trait of ['sync', 'canTear', 'losesOnFailedSync'] as const) {
      ensure([true, false, undefined].includes(storage[trait]), `${trait} is neither true nor false`)
    }
    const most = storage.valueBytesMax ?? 60_000
    ensure(Number.isSafeInteger(most) && most >= 1024, 'valueBytesMax is too small for a chunk')
  },

  'chunks are read in the order of their sequences, with what they hold': async (probe) => {
    const session = await nineChunks(probe)
    const expected = Array.from({ length: 9 }, (_, at) => [at + 1, filled(100, at + 1)])
    ensureSame(await session.chunks(), expected, 'chunks')
    ensureSame(await session.chunks(0, 1e9), expected, 'chunks at once')
    ensureSame(await session.chunks(4), expected.slice(3), 'chunks from 4 on')
    ensureSame(await session.chunks(10), [], 'chunks behind the end')
  },

  'the order is that of numbers': async (probe) => {
    const session = await probe.own()
    const sequences = [8, 9, 10, 11, 99, 100, 255, 256, 65_536, 2 ** 32, 2 ** 40, 2 ** 53 - 2]
    for (const sequence of sequences) await session.write({ chunks: [[sequence, few(1)]] })
    ensureSame((await session.contents()).bounds, [8, 2 ** 53 - 2], 'bounds')
    await ensureLog(session, sequences, 'sequences')
  },

  'a page has one chunk at least, and ends when it has bytesMax bytes': async (probe) => {
    const { connection } = await nineChunks(probe)
    /** A page may be shorter than it has to be, if it has a chunk. */
    const look = async (from: number, bytesMax: number, longest: number[]) => {
      const page = (await probe.answer(connection.readLog(from, bytesMax))).map(([sequence]) => sequence)
      const expected = longest.slice(0, Math.max(page.length, 1))
      ensureSame(page, expected, `chunks from ${from} with bytesMax ${bytesMax}`)
    }
    await look(1, 0, [1])
    await look(3, 0, [3])
    await look(1, 1, [1])
    await look(1, 100, [1])
    await look(1, 101, [1, 2])
    await look(2, 300, [2, 3, 4])
    await look(9, 1e9, [9])
    await look(10, 0, [])
  },

  'a chunk that is there is replaced': async (probe) => {
    const session = await nineChunks(probe)
    await session.write({ chunks: [[3, few(3, 3)]] })
    await session.write({ chunks: [[9, few(9)], [10, few(10)]] })
    for await (const one of twice(session)) {
      ensureSame((await one.chunks(3))[0], [3, few(3, 3)], 'chunk 3')
      ensureSame((await one.chunks(9)), [[9, few(9)], [10, few(10)]], 'chunks from 9 on')
      ensureSame((await one.contents()).bounds, [1, 10], 'bounds')
    }
  },

  'in a new segment a chunk is replaced by the same': async (probe) => {
    const session = await nineChunks(probe)
    const before = await session.contents()
    const other = await probe.open({ newSegment: true })
    ensureSame(await other.contents(), before, 'contents')
    await other.write({ chunks: [[8, filled(100, 8)], [9, filled(100, 9)]], durable: true })
    ensureSame(await other.contents(), before, 'contents after they were carried again')
    ensureSame(await (await probe.open()).contents(), before, REOPENED)
  },

  'chunks up to one are deleted': async (probe) => {
    const session = await nineChunks(probe)
    await session.write({ deleteLogUpto: 0 })
    ensureSame((await session.contents()).bounds, [1, 9], 'up to 0')
    await session.write({ deleteLogUpto: 6 })
    ensureSame((await session.contents()).bounds, [7, 9], 'up to 6')
    await session.write({ deleteLogUpto: 3 })
    await ensureLog(session, [7, 8, 9], 'up to 3')
  },

  'all chunks are deleted, and others come': async (probe) => {
    const session = await nineChunks(probe)
    await session.write({ deleteLogUpto: 9, durable: true })
    ensureSame((await session.contents()).bounds, null, 'bounds')
    await session.write({ chunks: [[10, few(10)]] })
    await ensureLog(session, [10], 'afterwards')
  },

  'chunks from one on are deleted, and others take their places': async (probe) => {
    const session = await nineChunks(probe)
    await session.write({ deleteLogFrom: 10 })
    await session.write({ deleteLogFrom: 7 })
    ensureSame((await session.contents()).bounds, [1, 6], 'bounds')
    await session.write({ chunks: [[7, few(7)]] })
    ensureSame(await session.chunks(6), [[6, filled(100, 6)], [7, few(7)]], 'chunks from 6 on')
    await ensureLog(session, [1, 2, 3, 4, 5, 6, 7], 'afterwards')
  },

  'chunks that are put aside are not read': async (probe) => {
    const session = await nineChunks(probe)
    await session.write({ quarantineFrom: 4, manifest: few(1), durable: true })
    ensureSame((await session.contents()).bounds, [1, 3], 'bounds')
    await session.write({ chunks: [[4, few(4)]] })
    await session.write({ quarantineFrom: 4 })
    await session.write({ quarantineFrom: 4 })
    await ensureLog(session, [1, 2, 3], 'afterwards')
  },

  'deleting nothing is no failure': async (probe) => {
    const session = await probe.own()
    await session.write({ deleteLogUpto: 5, deleteLogFrom: 1, quarantineFrom: 1, deleteParts: [1, 2] })
    ensureSame(await session.sequences(), [], 'sequences')
  },

  'parts are read in the order in which they are asked for': async (probe) => {
    const session = await probe.own()
    await session.write({ parts: [3, 1, 2].map((id) => [id, filled(50, id)] as const) })
    await session.write({ parts: [[2 ** 40, few(40)]], durable: true })
    for await (const one of twice(session)) {
      const values = await one.parts([2, 7, 3, 2 ** 40, 2])
      ensureSame(values, [filled(50, 2), null, filled(50, 3), few(40), filled(50, 2)], 'parts')
      ensureSame((await one.contents()).parts.map(([id]) => id), [1, 2, 3, 2 ** 40], 'IDs')
      ensureSame(await one.parts([]), [], 'no parts')
    }
  },

  'a part that is there is replaced': async (probe) => {
    const session = await probe.own()
    await session.write({ parts: [[1, few(1)], [2, few(2)]] })
    await session.write({ parts: [[1, few(1, 1)]] })
    for await (const one of twice(session)) ensureSame(await one.parts([1, 2]), [few(1, 1), few(2)], 'parts')
  },

  'parts are deleted, as far as they are there': async (probe) => {
    const session = await probe.own()
    await session.write({ parts: [1, 2, 3].map((id) => [id, few(id)] as const) })
    await session.write({ deleteParts: [2, 9] })
    await session.write({ deleteParts: [2] })
    for await (const one of twice(session)) {
      ensureSame((await one.contents()).parts, [[1, few(1)], [3, few(3)]], 'parts')
      ensureSame(await one.parts([2]), [null], 'the deleted part')
    }
  },

  'the manifest is replaced as a whole': async (probe) => {
    let session = await probe.own()
    for (const length of [900, 3, 40_000, 0]) {
      const manifest = filled(length, length)
      await session.write({ manifest, durable: true })
      ensureSame((await session.contents()).manifest, manifest, 'manifest')
      session = await probe.open()
      ensureSame((await session.contents()).manifest, manifest, `manifest, ${REOPENED}`)
      await session.write({ chunks: [[1, few(1)]] })
      ensureSame((await session.contents()).manifest, manifest, 'manifest after a chunk')
    }
  },

  'a batch happens in the order of its fields': async (probe) => {
    const session = await nineChunks(probe)
    const parts = [1, 2].map((id) => [id, few(id)] as const)
    const chunks = [10, 11, 12].map((sequence) => [sequence, few(sequence)] as const)
    await session.write({ parts, chunks, manifest: few(5), deleteLogUpto: 10, deleteLogFrom: 12, deleteParts: [2] })
    const expected = { epoch: 1, manifest: few(5), bounds: [11, 11], chunks: [[11, few(11)]], parts: [[1, few(1)]] }
    ensureSame(await session.contents(), expected, 'contents')
    ensureSame(await (await probe.open()).contents(), expected, REOPENED)
  },

  'values may be empty, and as large as it says': async (probe) => {
    const most = probe.storage.valueBytesMax ?? 60_000
    const session = await probe.own()
    const values = [[1, few()], [2, filled(most, 2)], [3, few()]] as const
    await session.write({ parts: values, chunks: values, manifest: filled(most, 9), durable: true })
    const expected = { epoch: 1, manifest: filled(most, 9), bounds: [1, 3], chunks: values, parts: values }
    ensureSame(await session.contents(), expected, 'contents')
    ensureSame(await (await probe.open()).contents(), expected, REOPENED)
  },

  'there may be thousands of chunks and parts': async (probe) => {
    const session = await probe.own()
    const values = Array.from({ length: 3000 }, (_, at) => [at + 1, filled(at % 20, at)] as const)
    await session.write({ chunks: values.slice(0, 2000) })
    for (const value of values.slice(2000)) await session.write({ chunks: [value] })
    for (let at = 0; at < 300; at += 30) await session.write({ parts: values.slice(at, at + 30) })
    for await (const one of twice(session)) {
      const { chunks, parts } = await one.contents()
      ensureSame(chunks, values, 'chunks')
      ensureSame(parts, values.slice(0, 300), 'parts')
    }
  },

  'everything is there after closing and opening': async (probe) => {
    const session = await nineChunks(probe)
    await session.write({ parts: [[1, few(1)]], manifest: few(7) })
    await session.write({ chunks: [[10, few(10)]] })
    const before = await session.contents()
    session.close()
    ensureSame(await (await probe.open()).contents(), before, REOPENED)
    ensureSame(await (await probe.open({ readOnly: true })).contents(), before, 'opened to read only')
  },

  'what was stored is there after a crash': async (probe, { crash }) => {
    if (crash === undefined) return
    const session = await nineChunks(probe)
    await session.write({ parts: [[1, few(1)]], manifest: few(7) })
    await session.write({ chunks: [[10, few(10)]] })
    const before = await session.contents()
    ensureSame(await (await new Probe(await crash()).open()).contents(), before, 'after the crash')
  },

  'a durable batch may be empty': async (probe) => {
    const session = await nineChunks(probe)
    const before = await session.contents()
    await session.write({ durable: true })
    await session.write({})
    ensureSame(await session.contents(), before, 'contents')
  },

  'a claimed epoch is the newest, and epochs may jump': async (probe) => {
    let session = await probe.open()
    for (const epoch of [1, 7, 8, 2 ** 40]) {
      await session.write({ epoch, claim: true, durable: true })
      ensureSame((await session.contents()).epoch, epoch, 'epoch')
      await session.write({ epoch, chunks: [[epoch % 97, few(1)]] })
      session = await probe.open()
      ensureSame((await session.contents()).epoch, epoch, `epoch, ${REOPENED}`)
    }
    ensureSame(await session.sequences(), [1, 7, 8, (2 ** 40) % 97].sort((one, other) => one - other), 'sequences')
  },

  'a claim below the newest epoch, or of the same, is fenced off': async (probe) => {
    const session = await probe.own(5)
    await session.write({ epoch: 5, chunks: [[1, few(1)]] })
    const before = await session.contents()
    for (const epoch of [5, 4, 1, 0]) {
      const batch = { epoch, claim: true, chunks: [[2, few(2)]] as const, manifest: few(1) }
      const name = await failureOf(() => session.write(batch))
      ensureSame(name, 'FencedError', `the claim of epoch ${epoch}`)
      ensureSame(await session.contents(), before, 'contents')
    }
    await session.write({ epoch: 5, chunks: [[2, few(2)]] })
    await ensureLog(session, [1, 2], 'afterwards')
  },

  'nothing of an older epoch is ever stored': async (probe) => {
    const session = await nineChunks(probe)
    await session.write({ parts: [[1, few(1)], [2, few(2)]], manifest: few(7) })
    await session.write({ epoch: 6, claim: true, durable: true })
    const before = await session.contents()
    for (let attempt = 0; attempt < STALE_TRIES; attempt++) {
      const batch = { ...staleBatch(attempt), epoch: 1 + (attempt % 5), durable: attempt % 3 === 0 }
      ensureSame(await failureOf(() => session.write(batch)), 'FencedError', JSON.stringify(batch))
      if (attempt % 50 === 0) ensureSame(await session.contents(), before, `after ${JSON.stringify(batch)}`)
    }
    ensureSame(await session.contents(), before, 'contents')
    ensureSame(await (await probe.open()).contents(), before, REOPENED)
  },

  'of claims of one epoch at a time exactly one succeeds': async (probe, { again }) => {
    const other = again === undefined ? undefined : new Probe(again())
    for (let epoch = 1; epoch < 20; epoch++) {
      const mine = await probe.open()
      const sessions = [mine, other === undefined ? mine : await other.open()]
      const claims = sessions.map((session) => failureOf(() => session.write({ epoch, claim: true, durable: true })))
      const names = (await Promise.all(claims)).map(String).sort()
      ensureSame(names, ['FencedError', 'undefined'], `claims of epoch ${epoch}`)
      ensureSame((await mine.contents()).epoch, epoch, 'epoch')
    }
  },

  'of claims at a time the highest succeeds': async (probe, { again }) => {
    if (again === undefined) return
    const others = [probe, new Probe(again()), new Probe(again())]
    for (let epoch = 1; epoch < 30; epoch += 3) {
      const sessions = await Promise.all(others.map((other) => other.open()))
      // Each time another one is the first.
      const epochs = others.map((_, at) => epoch + ((Math.floor(epoch / 3) + at) % 3))
      const claim = (at: number) => sessions[at]!.write({ epoch: epochs[at]!, claim: true, durable: true })
      const names = await Promise.all(others.map((_, at) => failureOf(() => claim(at))))
      const highest = epochs.indexOf(epoch + 2)
      ensureSame(names[highest], undefined, 'the highest claim')
      ensureSame((await sessions[highest]!.contents()).epoch, epoch + 2, 'epoch')
    }
  },

  'who takes over finds what was stored, and the old owner is fenced off': async (probe, { again }) => {
    if (again === undefined) return
    const old = await nineChunks(probe)
    // He may have looked before.
    const owner = await new Probe(again()).open()
    ensureSame((await owner.contents()).bounds, [1, 9], 'bounds before the claim')
    await old.write({ parts: [[1, few(1)], [2, few(2)]], manifest: few(7) })
    await old.write({ chunks: [[9, few(9)]], deleteLogUpto: 1 })
    const before = await old.contents()
    await owner.write({ epoch: 2, claim: true, durable: true })
    ensureSame(await owner.contents(), { ...before, epoch: 2 }, 'contents after the claim')
    await owner.write({ epoch: 2, chunks: [[10, few(2, 10)]] })
    await owner.write({ epoch: 2, parts: [[3, few(3)]], deleteLogUpto: 4, manifest: few(8), durable: true })
    const after = await owner.contents()
    for (let attempt = 0; attempt < STALE_TRIES; attempt++) {
      const batch = staleBatch(attempt)
      ensureSame(await failureOf(() => old.write(batch)), 'FencedError', JSON.stringify(batch))
      if (attempt % 50 === 0) ensureSame(await owner.contents(), after, `after ${JSON.stringify(batch)}`)
    }
    ensureSame(await (await new Probe(again()).open()).contents(), after, REOPENED)
    ensureSame(await failureOf(() => owner.write({ epoch: 2, chunks: [[11, few(11)]] })), undefined, 'the new owner')
  },

  'what was under way when another one took over is there if it was answered': async (probe, { again }) => {
    if (again === undefined) return
    const other = new Probe(again())
    for (let epoch = 1; epoch < 20; epoch += 2) {
      const old = await probe.own(epoch)
      const owner = await other.open()
      const batches = [0, 1, 2, 3].map((at) => ({
        ...{ epoch, durable: at % 2 === 0, parts: at === 3 ? [[1, few(1)] as const] : [] },
        chunks: [[epoch * 10 + at, few(at)] as const],
        manifest: at === 1 ? few(epoch) : null,
      }))
      const writes = batches.map((batch) => failureOf(() => old.write(batch)))
      await owner.write({ epoch: epoch + 1, claim: true, durable: true })
      const found = await owner.sequences()
      const names = await Promise.all(writes)
      names.forEach((name, at) => {
        const isThere = found.includes(epoch * 10 + at)
        ensure(isThere || name !== undefined, `chunk ${epoch * 10 + at} was answered before the claim, and is not there`)
      })
      ensureSame(await owner.sequences(), found, 'the log of the new owner')
    }
  },

  'batches happen in the order of their calls': async (probe) => {
    const session = await probe.own()
    const batches = Array.from({ length: 60 }, (_, at) => ({
      chunks: [[1, few(at)] as const],
      parts: at % 7 === 0 ? [[1, few(at)] as const] : [],
      manifest: at % 11 === 0 ? few(at) : null,
      durable: at % 5 === 0,
    }))
    await Promise.all(batches.map((batch) => session.write(batch)))
    const { chunks, parts, manifest } = await session.contents()
    ensureSame([chunks, parts, manifest], [[[1, few(59)]], [[1, few(56)]], few(55)], 'contents')
  },

  'a batch that fails does not stop the ones behind it': async (probe) => {
    const session = await probe.own(3)
    const writes = [3, 2, 3].map((epoch, at) => failureOf(() => session.write({ epoch, chunks: [[at + 1, few(at)]] })))
    ensureSame(await Promise.all(writes), [undefined, 'FencedError', undefined], 'writes')
    ensureSame(await session.sequences(), [1, 3], 'sequences')
  },

  'on a connection that was given up nothing happens any more': async (probe) => {
    const old = await nineChunks(probe)
    const given = [
      failureOf(() => old.write({ chunks: [[10, few(10)]], durable: true })),
      failureOf(() => old.write({ parts: [[1, few(1)]], manifest: few(1), durable: true })),
    ]
    const session = await probe.open()
    const before = await session.contents()
    await Promise.all(given)
    const name = await failureOf(() => old.write({ chunks: [[11, few(11)]] }))
    ensure(name !== undefined, 'it writes on the old connection')
    ensureSame(await session.contents(), before, 'contents')
    await session.write({ chunks: [[12, few(12)]] })
    ensureSame((await session.contents()).bounds, [1, 12], 'bounds')
  },

  'of connections that are opened at a time at most one writes': async (probe) => {
    ;(await probe.own()).close()
    const sessions = await Promise.all([probe.open(), probe.open(), probe.open()])
    const writes = sessions.map((session, at) => failureOf(() => session.write({ chunks: [[at + 1, few(at)]] })))
    const names = await Promise.all(writes)
    ensureSame(names.filter((name) => name === undefined).length, 1, 'connections that write')
  },

  'a closed connection fails and closes twice': async (probe) => {
    const session = await nineChunks(probe)
    session.close()
    session.close()
    const { connection } = session
    const calls = {
      write: () => session.write({ chunks: [[10, few(10)]] }),
      readManifest: () => connection.readManifest(),
      readEpoch: () => connection.readEpoch(),
      listLog: () => connection.listLog(),
      readLog: () => connection.readLog(0, 0),
      listParts: () => connection.listParts(),
      readParts: () => connection.readParts([1]),
    }
    for (const [name, call] of Object.entries(calls)) ensureSame(await failureOf(call), 'InvalidStateError', name)
    ensureSame((await (await probe.open()).contents()).bounds, [1, 9], 'bounds')
  },

  'who reads only sees everything and changes nothing': async (probe) => {
    const nothing = await (await probe.open({ readOnly: true })).contents()
    ensureSame(nothing, { epoch: 0, manifest: null, bounds: null, chunks: [], parts: [] }, 'empty')
    const session = await nineChunks(probe)
    const before = await session.contents()
    session.close()
    const reader = await probe.open({ readOnly: true })
    ensureSame(await reader.contents(), before, 'contents')
    reader.close()
    ensureSame(await (await probe.open()).contents(), before, REOPENED)
  },

  'bytes that were given or read belong to nobody else': async (probe) => {
    const session = await probe.own()
    const given = [few(1, 1), few(2, 2), few(3, 3)] as const
    await session.write({ chunks: [[1, given[0]]], parts: [[1, given[1]]], manifest: given[2], durable: true })
    const before = JSON.stringify(await session.contents())
    for (const bytes of given) bytes.fill(9)
    const read = await session.contents()
    ensureSame(JSON.stringify(read), before, 'after what was given has changed')
    for (const bytes of [read.manifest, read.chunks[0]![1], read.parts[0]![1]]) (bytes as Uint8Array).fill(9)
    ensureSame(JSON.stringify(await session.contents()), before, 'after what was read has changed')
  },

  'the last witness is there, beside everything else': async (probe) => {
    const { storage } = probe
    if (storage.writeWitness === undefined || storage.readWitness === undefined) return
    ensureSame(await probe.answer(storage.readWitness()), null, 'the first witness')
    await probe.answer(storage.writeWitness(few(1, 2, 3)))
    await probe.answer(storage.writeWitness(few(4)))
    const session = await probe.own()
    ensureSame(await session.sequences(), [], 'sequences')
    session.close()
    ensureSame(await probe.answer(storage.readWitness()), few(4), 'the witness')
  },

  'destroying leaves nothing': async (probe) => {
    const { storage } = probe
    if (storage.destroy === undefined) return
    const session = await nineChunks(probe)
    await session.write({ parts: [[1, few(1)]], manifest: few(7) })
    if (storage.writeWitness !== undefined) await probe.answer(storage.writeWitness(few(1)))
    session.close()
    await probe.answer(storage.destroy())
    if (storage.readWitness !== undefined) ensureSame(await probe.answer(storage.readWitness()), null, 'the witness')
    const empty = { epoch: 0, manifest: null, bounds: null, chunks: [], parts: [] }
    ensureSame(await (await probe.open()).contents(), empty, 'contents')
    await probe.own(1)
  },

  'what it says about itself is plausible': async (probe) => {
    if (probe.storage.describe === undefined) return
    await nineChunks(probe)
    const { quota, usage, persisted } = await probe.describe()
    ensure(usage === undefined || usage >= 0, `usage is ${usage}`)
    ensure(quota === undefined || quota >= (usage ?? 0), `quota is ${quota}, and usage is ${usage}`)
    ensure([true, false, undefined].includes(persisted), `persisted is ${persisted}`)
  },

  'one at a time has the lock': async (probe, { again }) => {
    if (probe.storage.lock === undefined) return
    const other = new Probe(again?.() ?? probe.storage)
    const letGo = await probe.lock()
    for (const one of [probe, other]) ensureSame(await failureOf(() => one.lock()), 'LockedError', 'a second lock')
    letGo()
    letGo()
    const letGoOther = await other.lock()
    letGo()
    ensureSame(await failureOf(() => probe.lock()), 'LockedError', 'a lock after letting go three times')
    letGoOther()
    ;(await probe.lock())()
  },

  'a lock can be stolen, and whoever was robbed lets go of nothing': async (probe, { again }) => {
    if (probe.storage.lock === undefined) return
    const other = new Probe(again?.() ?? probe.storage)
    const robbed = await probe.lock()
    const letGo = await other.lock({ steal: true })
    robbed()
    ensureSame(await failureOf(() => probe.lock()), 'LockedError', 'a lock after the robbed let go')
    letGo()
    ;(await probe.lock({ steal: true }))()
  },

  'whoever waits gets the lock when it is let go': async (probe, { again }) => {
    if (probe.storage.lock === undefined || probe.storage.sync === true) return
    const other = new Probe(again?.() ?? probe.storage)
    const letGo = await probe.lock()
    ensureSame(await failureOf(() => other.lock({ wait: 1 })), 'LockedError', 'after the wait')
    const order: string[] = []
    const waiting = other.lock({ wait: Infinity }).then((letGoOther) => {
      order.push('taken')
      letGoOther()
    })
    await failureOf(() => other.lock({ wait: 1 }))
    order.push('let go')
    letGo()
    await waiting
    ensureSame(order, ['let go', 'taken'], 'order')
  },
}

/** Batches that an old owner may still have in mind. */
function staleBatch(attempt: number): Partial<StorageBatch> {
  const kinds: Partial<StorageBatch>[] = [
    { chunks: [[10, few(66)]] },
    { chunks: [[3, few(66)]] },
    { parts: [[1, few(66)], [9, few(66)]] },
    { manifest: few(66) },
    { deleteLogUpto: 5 },
    { deleteLogFrom: 5 },
    { quarantineFrom: 5 },
    { deleteParts: [1, 2] },
    { manifest: few(66), deleteLogUpto: 9, deleteParts: [1], parts: [[8, few(66)]], chunks: [[11, few(66)]] },
    {},
  ]
  return kinds[attempt % kinds.length]!
}

/** Checks a storage; see types/testing.d.ts. */
export const checkStorage: typeof type = (make, options = {}): StorageChecks => {
  const { seed: first = 1, histories = 20, steps = 200 } = options
  const check = (name: string, run: Check): StorageCheck => ({
    name,
    async run() {
      const place = await make()
      try {
        await run(new Probe(place.storage), place)
      } finally {
        await place.dispose?.()
      }
    },
  })
  const checks = Object.entries(CHECKS).map(([name, run]) => check(name, run))
  for (let seed = first; seed < first + histories; seed++) {
    checks.push(check(`a random history, seed ${seed}`, (_, place) => live(place, seed, steps)))
  }
  const runAll = async () => {
    const failures: Error[] = []
    for (const { name, run } of checks) {
      await run().catch((cause: Error) => failures.push(new Error(`${name}: ${cause.message}`, { cause })))
    }
    if (failures.length === 0) return
    const names = failures.map(({ message }) => `\n- ${message}`).join('')
    throw new AggregateError(failures, `${failures.length} of ${checks.length} checks failed:${names}`)
  }
  return {
    [Symbol.iterator]: () => checks[Symbol.iterator](),
    then: (kept, broken) => runAll().then(kept, broken),
  }
}
