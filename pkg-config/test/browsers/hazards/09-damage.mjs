// What is stored is not what was written.

import { added, count, fails, opened, same } from '../place.mjs'

/** Entries of a log: ten chunks, the first of which is the epoch mark. */
const CHUNKS = 10
const SALVAGE = { onCorruption: 'salvage' }
const ACCEPT = { onDataLoss: 'accept' }

export default [
  damaged('a chunk is gone from the middle', {
    damage: () => stored('log', (log) => log.delete(6)),
    words: ['whole up to chunk 5', 'chunk 6 is damaged', 'missing', 'the next whole one is chunk 7'],
    salvaged: count(1, 4),
  }),
  damaged('a byte of a chunk is another', {
    damage: () => flip('log', 6),
    words: ['whole up to chunk 5', 'chunk 6 is damaged', 'checksum', 'the next whole one is chunk 7'],
    salvaged: count(1, 4),
  }),
  damaged('a chunk is cut', {
    damage: () => change('log', 6, (bytes) => bytes.slice(0, 40)),
    words: ['whole up to chunk 5', 'chunk 6 is damaged', 'torn'],
    salvaged: count(1, 4),
  }),
  damaged('a chunk is no bytes', {
    damage: () => stored('log', (log) => log.put({ some: 'thing' }, 6)),
    words: ['whole up to chunk 5', 'chunk 6 is damaged', 'cannot read'],
    salvaged: count(1, 4),
  }),
  damaged('the last chunk is damaged', {
    damage: () => flip('log', 10),
    words: ['whole up to chunk 9', 'chunk 10 is damaged', 'checksum'],
    salvaged: count(1, 8),
  }),
  damaged('the end of the log is gone', {
    damage: () => stored('log', (log) => log.delete(IDBKeyRange.lowerBound(8))),
    error: 'DataLossError',
    words: ['chunks 8 to'],
    how: ACCEPT,
    salvaged: count(1, 6),
  }),
  damaged('everything but the witness is gone', {
    damage: async () => {
      for (const store of ['log', 'meta', 'parts', 'head', 'quarantine']) await stored(store, (one) => one.clear())
    },
    error: 'DataLossError',
    words: ['erased'],
    how: ACCEPT,
    salvaged: [],
  }),
  damaged('the first chunk is damaged', {
    damage: () => flip('log', 1),
    words: ['whole up to chunk 0', 'Nothing before it can be saved'],
    how: null,
  }),
  damaged('a part is gone', {
    snapshot: true,
    damage: () => stored('parts', (parts) => parts.delete(IDBKeyRange.upperBound(2))),
    words: ['part', 'is damaged', 'missing', 'restore the storage from a copy'],
    how: null,
  }),
  damaged('a byte of a part is another', {
    snapshot: true,
    damage: () => flip('parts', IDBKeyRange.lowerBound(0)),
    words: ['part', 'is damaged', 'checksum', 'restore the storage from a copy'],
    how: null,
  }),
  damaged('a byte of the manifest is another', {
    snapshot: true,
    damage: () => flip('meta', 'manifest'),
    words: ['the manifest is damaged', 'checksum', 'restore the storage from a copy'],
    how: null,
  }),
  damaged('the manifest is no bytes', {
    snapshot: true,
    damage: () => stored('meta', (meta) => meta.put('nothing', 'manifest')),
    words: ['the manifest is damaged', 'cannot read'],
    how: null,
  }),
  damaged('the manifest is gone, and no chunk is behind it', {
    snapshot: true,
    damage: () => stored('meta', (meta) => meta.clear()),
    words: ['the manifest is damaged', 'missing'],
    how: null,
    pending: 'it is a DataLossError, which names onDataLoss as the way out; and with that it is a CorruptError',
  }),
  {
    name: 'damage: the witness is gone, cut or damaged: it makes no claim',
    async run(place) {
      const changes = [[], [66, 82, 87], Array.from({ length: 48 }, (_, at) => at)]
      for (const [at, bytes] of changes.entries()) {
        const tab = await place.tab()
        await opened(tab)
        await added(tab, at * 10 + 1, at * 10 + 10)
        await tab.run(() => database.close())
        await tab.run(async (bytes) => {
          const folder = await navigator.storage.getDirectory()
          const stream = await (await folder.getFileHandle('brooklet-events.witness')).createWritable()
          await stream.write(Uint8Array.from(bytes))
          await stream.close()
        }, bytes)
        await opened(tab)
        same(await tab.run(() => numbers()), count(1, at * 10 + 10), 'what is there')
        await tab.run(() => database.close())
      }
    },
  },
]

/** A hazard: a database is damaged while nobody has it open, and opened as it should not be, and as it may be. */
function damaged(what, { damage, error = 'CorruptError', words, how = SALVAGE, salvaged, snapshot = false, pending }) {
  return {
    name: `damage: ${what}`,
    pending,
    async run(place) {
      const tab = await place.tab()
      await opened(tab)
      await (snapshot ? snapshots(tab) : chunks(tab))
      await tab.run(() => database.close())
      await tab.run(damage)
      const told = await refused(tab, error, words)
      for (const other of [SALVAGE, ACCEPT]) {
        if (other === how) continue
        fails(await tab.run((how) => begin(how), other), error, words, `opening with ${JSON.stringify(other)}`)
      }
      if (how !== null) await accepted(tab, how, salvaged)
      return told
    },
  }
}

/** It is refused, again and again, and told in the same words. */
async function refused(tab, error, words) {
  const first = await tab.run(() => begin())
  fails(first, error, words, 'opening')
  same(await tab.run(() => begin()), first, 'opening once more')
  return `'${first.message}'`
}

/** It is opened all the same, which is told and remembered; and then as ever. */
async function accepted(tab, how, salvaged) {
  await opened(tab, how)
  same(await tab.run(() => numbers()), salvaged, 'what is there')
  const { losses } = await tab.run(() => database.durability())
  same(losses.length, 1, 'how many losses are told')
  await added(tab, 101, 110)
  await tab.run(() => database.close())
  await opened(tab)
  same(await tab.run(() => numbers()), [...salvaged, ...count(101, 110)], 'what is there later')
  same((await tab.run(() => database.durability())).losses, [], 'what is told later')
  await tab.run(() => database.close())
}

/** A log of small chunks: the epoch mark, and nine entries. */
async function chunks(tab) {
  for (let n = 1; n < CHUNKS; n++) await added(tab, n, n)
}

/** A snapshot of several parts. */
async function snapshots(tab) {
  await added(tab, 1, 60, 50_000)
  await tab.run(() => until(async () => (await database.durability()).snapshots > 0))
}
