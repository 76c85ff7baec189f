// Browsers that lack something.

import { added, count, fails, opened, same } from '../place.mjs'

const PLACES = {
  'Web Locks': ['navigator.locks'],
  'the origin private file system': ['navigator.storage', 'FileSystemFileHandle'],
  'a Cache and files': ['navigator.storage', 'FileSystemFileHandle', 'caches'],
  'message channels': ['MessageChannel'],
  'all of these': ['navigator.locks', 'navigator.storage', 'FileSystemFileHandle', 'caches', 'MessageChannel'],
}

export default [
  ...Object.entries(PLACES).map(([what, names]) => ({
    name: `lacking: ${what}`,
    run: (place) => works(place, () => place.tab(`page.html?without=${names.join()}`), names),
  })),
  {
    name: 'lacking: a secure context',
    async run(place) {
      const tabs = []
      try {
        return await works(place, async () => {
          const tab = await place.browser.tab(`${place.insecure}/page.html`)
          tabs.push(tab)
          same(await tab.run(() => isSecureContext), false, 'whether it is a secure context')
          return tab
        }, ['navigator.locks', 'navigator.storage', 'caches'])
      } finally {
        for (const tab of tabs) await tab.close()
        await place.browser.clear(place.insecure)
      }
    },
  },
]

/** A database works with what is left, and its owner is kept apart from the next one. */
async function works(place, open, names) {
  const [tab, other] = [await open(), await open()]
  for (const one of [tab, other]) {
    const there = await one.run((names) => names.filter((name) => lookUp(name) !== undefined), names)
    same(there, [], 'what is there all the same')
  }
  await opened(tab)
  await added(tab, 1, 20)
  await tab.run(() => database.sync())
  await tab.run(() => database.close())
  await opened(tab)
  await added(tab, 21, 30)
  const second = await other.run(() => begin())
  if (names.includes('navigator.locks')) {
    same(second, { value: 'open' }, 'opening it in a second tab')
    const told = await tab.run(() => outcome(database.stream('s').add({ n: 0 })))
    fails(told, 'FencedError', ['another owner'], 'what the first one does then')
  } else {
    fails(second, 'LockedError', ['another owner'], 'opening it in a second tab')
    await tab.run(() => database.close())
    await opened(other)
  }
  same(await other.run(() => numbers()), count(1, 30), 'what is there')
  await added(other, 31, 40)
  const { persisted } = await other.run(() => database.durability())
  await other.run(() => database.close())
  // Without a place for a witness an erased database looks new.
  await other.run(async () => {
    for (const store of ['log', 'meta', 'parts', 'head', 'quarantine']) await stored(store, (one) => one.clear())
  })
  const erased = await other.run(() => begin())
  return `persisted: ${persisted}; an erased one ${erased.error === undefined ? 'looks new' : `is a ${erased.error}`}`
}
