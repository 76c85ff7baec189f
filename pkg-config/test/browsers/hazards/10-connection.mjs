// The connection dies, or is not heard of any more.

import { added, count, ensure, opened, same } from '../place.mjs'

export default [
  {
    name: 'connection: one that the platform closes is replaced by a new one',
    run: (place) => dying(place, () => {
      const connection = connections.at(-1)
      connection.close()
      connection.dispatchEvent(new Event('close'))
    }),
  },
  {
    name: 'connection: one that is closed without a word is replaced by a new one',
    run: (place) => dying(place, () => connections.at(-1).close()),
  },
  {
    name: 'connection: a storage that never answers is given up after 10 s and opened again',
    async run(place) {
      const tab = await watched(place)
      same(
        await tab.run(() => {
          globalThis.now = Date.now()
          return begin({ clock: () => now, fsync: 'no' })
        }),
        { value: 'open' },
        'opening',
      )
      await added(tab, 1, 20)
      await tab.run(() => {
        globalThis.isSilent = true
        globalThis.late = add(21, 30)
      })
      await tab.run(() => until(() => silenced > 0))
      const passing = (ms) => tab.run(async (ms) => {
        now += ms
        await database.call(['XLEN', 's'], { durability: 'applied' })
        return events
      }, ms)
      same(await passing(9_000), [], 'what is told after 9 s')
      const [event] = await passing(2_000)
      ensure(event?.includes('there was no answer in time'), `what is told after 11 s: ${event}`)
      await tab.run(() => {
        isSilent = false
        now += 10_000
        return until(async () => {
          now += 50
          await database.call(['XLEN', 's'], { durability: 'applied' })
          return events.includes('resumed')
        })
      })
      const { acknowledged } = await tab.run(() => late)
      same(acknowledged, count(21, 30), 'what was acknowledged late')
      await added(tab, 31, 40)
      await tab.run(() => database.close())
      await opened(tab)
      same(await tab.run(() => numbers()), count(1, 40), 'what is there')
    },
  },
]

/** A tab that knows its connections, and can keep their transactions from being heard. */
async function watched(place) {
  const tab = await place.tab()
  await tab.run(() => {
    const { transaction } = IDBDatabase.prototype
    Object.assign(globalThis, { connections: [], isSilent: false, silenced: 0 })
    IDBDatabase.prototype.transaction = function (...words) {
      if (!connections.includes(this)) connections.push(this)
      const made = transaction.apply(this, words)
      if (isSilent) {
        silenced++
        for (const event of ['oncomplete', 'onabort', 'onerror']) Object.defineProperty(made, event, { set() {} })
      }
      return made
    }
  })
  return tab
}

/** Lets connections die while much is under way, one after the other. */
async function dying(place, kill) {
  const tab = await watched(place)
  await opened(tab)
  let last = 0
  for (let at = 1; at <= 5; at++) {
    await tab.begin((from, to) => {
      globalThis.late = add(from, to, 1000)
    }, last + 1, last + 50)
    await tab.run(kill)
    await tab.begin((from, to) => {
      globalThis.later = add(from, to)
    }, last + 51, last + 60)
    await tab.run(() => until(async () => (await database.durability()).unwrittenBytes === 0))
    const found = await tab.run(async () => [await late, await later])
    for (const { failure } of found) {
      // What is called while the storage fails is refused, and says so.
      ensure(failure === undefined || failure.code === 'MISCONF', `the failure: ${JSON.stringify(failure)}`)
    }
    const expected = found.flatMap(({ acknowledged }) => acknowledged)
    const numbers = await tab.run(() => numbers())
    same(numbers.slice(-expected.length), expected, 'what is there')
    last = numbers.at(-1)
  }
  const all = await tab.run(() => numbers())
  const used = await tab.run(() => connections.length)
  ensure(used > 1, 'no new connection was opened')
  await tab.run(() => database.close())
  await opened(tab)
  same(await tab.run(() => numbers()), all, 'what is there in the end')
  return `${used} connections`
}
