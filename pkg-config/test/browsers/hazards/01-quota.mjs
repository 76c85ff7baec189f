// No room.

import { count, ensure, fails, includes, opened, same } from '../place.mjs'

/** Opening takes some of it, 20 small entries little, and 80 large ones more. The browser looks at it once in 30 s. */
const QUOTA = 6 * 2 ** 20
/** What else lies in the origin: more than all that is written needs, snapshots and dead bytes of LevelDB included. */
const BALLAST = 64 * 2 ** 20

const needs = ['set a quota']

export default [
  {
    name: 'quota: writes are refused with the reason, and go on when there is more room',
    needs,
    async run(place) {
      await place.quota(QUOTA)
      const tab = await full(place)
      await place.quota()
      return resumed(place, tab)
    },
  },
  {
    name: 'quota: what is deleted elsewhere in the origin makes room',
    needs,
    async run(place) {
      await place.quota(QUOTA + BALLAST)
      const other = await place.tab()
      await other.run(async (bytes) => {
        const folder = await navigator.storage.getDirectory()
        const stream = await (await folder.getFileHandle('ballast', { create: true })).createWritable()
        await stream.write(noise(bytes))
        await stream.close()
      }, BALLAST)
      const tab = await full(place)
      await other.run(async () => (await navigator.storage.getDirectory()).removeEntry('ballast'))
      return resumed(place, tab)
    },
  },
  {
    // What is trimmed is a change that has to be stored, too.
    name: 'quota: trimming is refused, with the reason',
    needs,
    async run(place) {
      await place.quota(QUOTA)
      const tab = await full(place)
      const trim = () => outcome(database.call(['XTRIM', 's', 'MAXLEN', '1'], { durability: 'applied' }))
      fails(await tab.run(trim), 'RedisError', ['MISCONF', 'no room'], 'trimming')
    },
  },
  {
    name: 'quota: the event says that there is no room',
    needs,
    async run(place) {
      await place.quota(QUOTA)
      const tab = await full(place)
      const [event] = await tab.run(() => events)
      ensure(/quota|no room/i.test(event), `the event says: ${event}`)
    },
  },
  {
    name: 'quota: closing fails and lets go',
    needs,
    async run(place) {
      await place.quota(QUOTA)
      const tab = await full(place)
      fails(await tab.run(() => outcome(database.close())), 'StorageError', ['not acknowledged'], 'closing')
      await place.quota()
      same(await (await place.tab()).run(() => begin()), { value: 'open' }, 'the next opening')
    },
  },
  {
    name: 'quota: what was acknowledged is there after the page has gone',
    needs,
    async run(place) {
      await place.quota(QUOTA)
      const tab = await full(place)
      await tab.run(() => {
        globalThis.acknowledged = []
        late.then(({ acknowledged }) => globalThis.acknowledged.push(...acknowledged))
      })
      await tab.close()
      const next = await place.tab()
      const opening = await next.run(() => begin({ wait: true }))
      ensure(opening.value === 'open' || opening.error === 'StorageFullError', `opening: ${JSON.stringify(opening)}`)
      await place.quota()
      if (opening.error !== undefined) await opened(next)
      const numbers = await next.run(() => numbers())
      includes(numbers, count(1, 20), 'what was acknowledged')
      same(numbers, count(1, numbers.length), 'what is there')
      return `the next page, still without room, gets ${opening.error ?? 'it open'}`
    },
  },
]

/** A database that has no room any more. The first 20 entries were acknowledged; `late` tells of 80 more. */
async function full(place) {
  const tab = await place.tab()
  await opened(tab)
  same((await tab.run(() => add(1, 20, 1000))).acknowledged, count(1, 20), 'what was acknowledged')
  await tab.begin(() => {
    globalThis.late = add(21, 100, 100_000)
  })
  await tab.run(() => until(() => events.length > 0))
  const refused = await tab.run(() => outcome(database.stream('s').add({ n: 0 })))
  fails(refused, 'RedisError', ['MISCONF', 'no room'], 'what is added then')
  return tab
}

/** Waits until it goes on, and looks at what has become of all entries. */
async function resumed(place, tab) {
  await tab.run(() => until(() => events.includes('resumed')))
  const { acknowledged, failure } = await tab.run(() => late)
  same(failure, undefined, 'the failure of what waited')
  same(acknowledged, count(21, 100), 'what was acknowledged late')
  same((await tab.run(() => add(101, 110))).acknowledged, count(101, 110), 'what was added then')
  await place.quota()
  await tab.close()
  const next = await place.tab()
  await opened(next, { wait: true })
  same(await next.run(() => numbers()), count(1, 110), 'what is there')
}
