// A tab that runs nothing, and holds what others want.

import { added, count, ensure, fails, opened, same } from '../place.mjs'

const needs = ['freeze']

export default [
  {
    name: 'freezing: a frozen tab keeps the lock',
    needs,
    async run(place) {
      const [frozen, other] = await two(place)
      await frozen.freeze()
      fails(await other.run(() => begin()), 'LockedError', ['another owner'], 'opening')
      await frozen.thaw()
      await added(frozen, 21, 30)
    },
  },
  {
    name: 'freezing: who steals from a frozen tab goes on, and the tab is told when it is thawed',
    needs,
    async run(place) {
      const [frozen, other] = await two(place)
      // Both commands are sent at once: what is placed is under way when it freezes.
      const placed = frozen.begin(() => {
        globalThis.late = add(21, 420, 1000)
        dispatchEvent(new Event('pagehide'))
      })
      await Promise.all([placed, frozen.freeze()])
      await opened(other, { steal: true })
      const found = await other.run(() => numbers())
      same(found, count(1, found.length), 'what the other one finds')
      ensure(found.length >= 20, 'something that was acknowledged is not there')
      await added(other, 1001, 1010)
      const expected = [...found, ...count(1001, 1010)]
      await frozen.thaw()
      const { acknowledged, failure } = await frozen.run(() => late)
      const later = await frozen.run(() => outcome(database.stream('s').add({ n: 0 })))
      fails(later, 'FencedError', ['another owner has taken over'], 'what it does then')
      ensure(acknowledged.every((n) => found.includes(n)), 'something that was acknowledged is not there')
      if (acknowledged.length < 400) same(failure.error, 'FencedError', 'how what was under way fails')
      same(await other.run(() => numbers()), expected, 'what is there then')
      return `of 400 entries under way ${found.length - 20} were stored, ${acknowledged.length} of them acknowledged`
    },
  },
  {
    name: 'freezing: a transaction that a frozen tab leaves open keeps the next owner waiting until he is told',
    needs,
    async run(place) {
      const [frozen, other] = await two(place)
      // Not ours, which are told to commit: somebody who reads before he writes, over and over.
      await frozen.run(async () => {
        const connection = await raw()
        const store = connection.transaction(['log', 'head'], 'readwrite').objectStore('head')
        await new Promise((resolve) => {
          const again = () => {
            store.get('e').onsuccess = again
            resolve()
          }
          again()
        })
      })
      await frozen.freeze()
      const told = await other.run(() => begin({ steal: true }))
      fails(told, 'StorageError', ['no answer in time'], 'opening')
      // Its page goes, and with it what it holds.
      await frozen.close()
      await opened(other, { wait: true })
      same(await other.run(() => numbers()), count(1, 20), 'what is there')
    },
  },
]

/** Two tabs; the first one has it open, with 20 entries. */
async function two(place) {
  const first = await place.tab()
  await opened(first)
  await added(first, 1, 20)
  return [first, await place.tab()]
}
