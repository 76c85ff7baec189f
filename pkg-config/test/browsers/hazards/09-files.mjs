// The files of a browser's profile are damaged while it is closed.

import { cp, mkdtemp, open, readdir, rm, stat, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { added, count, ensure, fails, opened, same } from '../place.mjs'

/** How much of the largest file is cut or where bytes are flipped. */
const PLACES = [0.05, 0.3, 0.6, 0.9, 0.99]
const FLIPPED_BYTES = 16
const ENTRIES = 60
const OPENINGS = 3
const LOSSES = ['DataLossError', 'CorruptError']

export default [
  {
    name: 'files: flipped bytes are never a silent loss',
    needs: ['damage a profile'],
    run: (place) => damage(place, flip),
  },
  {
    name: 'files: a tail that is cut is never a silent loss',
    needs: ['damage a profile'],
    run: (place) => damage(place, (file, size, part) => truncate(file, Math.floor(size * part))),
  },
  {
    name: 'files: a file that is gone is never a silent loss',
    needs: ['damage a profile'],
    run: (place) => damage(place, (file) => rm(file), [0]),
  },
  {
    name: 'files: one value that cannot be read does not spoil those around it',
    needs: ['lose a large value'],
    run: (place) => unreadable(place, () => {}),
  },
  {
    name: 'files: what stands behind a value that cannot be read can be put aside',
    needs: ['lose a large value'],
    pending: 'Chromium aborts a transaction in which a value could not be read, whatever is made of that failure',
    run: (place) =>
      unreadable(place, async (tab) => {
        await opened(tab, { onCorruption: 'salvage' })
        same(await tab.run(() => numbers()), count(1, 4), 'what is left')
      }),
  },
]

/** Does something with a profile that is gone afterwards. */
async function inProfile(act) {
  const folder = await mkdtemp(join(tmpdir(), 'brooklet-damage-'))
  try {
    return await act(join(folder, 'profile'), folder)
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 20 })
  }
}

/** Lets the sixth of ten chunks be one that is there and cannot be read; the next opening says so. */
function unreadable(place, act) {
  return inProfile(async (profile) => {
    await withBrowser(place, profile, async (tab) => {
      await opened(tab)
      for (let n = 1; n < 10; n++) await added(tab, n, n)
      await tab.run(() => database.close())
      // What is this large lies in a file of its own.
      await tab.run(() => stored('log', (log) => log.put(noise(200_000), 6)))
    })
    const files = (await readdir(profile, { recursive: true })).filter((name) => /indexeddb\.blob.*\d$/.test(name))
    ensure(files.length > 0, 'there is no file of a large value')
    for (const file of files) await rm(join(profile, file), { force: true, recursive: true })
    await withBrowser(place, profile, async (tab) => {
      const words = ['whole up to chunk 5', 'chunk 6 is damaged', 'cannot read', 'the next whole one is chunk 7']
      fails(await tab.run(() => begin()), 'CorruptError', words, 'opening')
      await act(tab)
    })
  })
}

/** Writes a database with a browser of its own, damages copies of the profile, and looks at what is made of them. */
function damage(place, act, places = PLACES) {
  return inProfile(async (profile, folder) => {
    await withBrowser(place, profile, async (tab) => {
      await opened(tab)
      for (let n = 1; n <= ENTRIES; n++) await added(tab, n, n, 1000)
      await tab.run(() => database.close())
    })
    const seen = {}
    for (const [at, part] of places.entries()) {
      const copy = join(folder, String(at))
      await cp(profile, copy, { recursive: true })
      const { file, size } = await largest(copy)
      await act(file, size, part)
      const told = await withBrowser(place, copy, look)
      seen[told] = (seen[told] ?? 0) + 1
    }
    return Object.entries(seen).map(([told, times]) => `${told} (${times})`).join(', ')
  })
}

async function withBrowser(place, profile, act) {
  const browser = await place.start(profile)
  try {
    return await act(await browser.tab(place.at()))
  } finally {
    await browser.end()
  }
}

/** What a page makes of it: everything is there, or an error says what is not, also the next time. */
async function look(tab) {
  let first = await tab.run(() => begin())
  // The browser may notice damage while it is used, and repair what it can when it is opened again.
  for (let at = 1; at < OPENINGS && first.error === 'StorageError'; at++) first = await tab.run(() => begin())
  if (first.error === 'StorageError') return unwritable(tab)
  if (first.error === undefined) {
    same(await tab.run(() => numbers()), count(1, ENTRIES), 'what is there without a word')
    await added(tab, 1001, 1010)
    return 'nothing was lost'
  }
  ensure(LOSSES.includes(first.error), `opening: ${JSON.stringify(first)}`)
  same((await tab.run(() => begin())).error, first.error, 'opening once more')
  const second = await tab.run(() => begin({ onDataLoss: 'accept', onCorruption: 'salvage' }))
  if (second.error !== undefined) return `${first.error}, and nothing can be saved`
  const left = await tab.run(() => numbers())
  same(left, count(1, left.length), 'what is left')
  return `${first.error}, and ${left.length} of ${ENTRIES} are left`
}

/** A storage that cannot be written to any more is refused, can be looked at, and is usable when it was destroyed. */
async function unwritable(tab) {
  const shown = await tab.run(() => begin({ readOnly: true, onDataLoss: 'accept', onCorruption: 'salvage' }))
  const seen = shown.error ?? `${(await tab.run(() => numbers())).length} of ${ENTRIES} entries`
  await tab.run(() => database.close())
  same(await tab.run(() => outcome(indexedDb('events').destroy())), {}, 'destroying it')
  await opened(tab)
  await added(tab, 1, 10)
  return `StorageError until it is destroyed, and ${seen} for who only looks`
}

async function flip(file, size, part) {
  const handle = await open(file, 'r+')
  const at = Math.min(Math.floor(size * part), size - FLIPPED_BYTES)
  const { buffer } = await handle.read(Buffer.alloc(FLIPPED_BYTES), 0, FLIPPED_BYTES, at)
  await handle.write(buffer.map((byte) => byte ^ 0x5a), 0, FLIPPED_BYTES, at)
  await handle.close()
}

/** Where Chromium keeps IndexedDB, and where Firefox keeps that of an origin. */
const FOLDER = /(Default.IndexedDB|hazard.*idb)\b/

/** The largest file in which IndexedDB lies. */
async function largest(profile) {
  const all = await readdir(profile, { recursive: true })
  const sizes = []
  for (const name of all.filter((name) => FOLDER.test(name))) {
    const file = join(profile, name)
    const { size, isFile } = await stat(file).then((stats) => ({ size: stats.size, isFile: stats.isFile() }))
    if (isFile) sizes.push({ file, size })
  }
  ensure(sizes.length > 0, `IndexedDB is not in ${profile}`)
  return sizes.sort((one, other) => other.size - one.size)[0]
}
