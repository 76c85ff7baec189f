// Two tabs want the same database.

import { added, count, ensure, fails, opened, same } from '../place.mjs'

/** How long a lock may take from one tab to another. */
const WAIT_MS = 15_000
/** Firefox does not keep a page that holds a lock. */
const KEPT = 'Chromium takes the lock of a kept page away when somebody asks for it then, not from those who wait already'

export default [
  {
    name: 'tabs: the second one is refused at once',
    async run(place) {
      const [first, second] = await two(place)
      fails(await second.run(() => begin()), 'LockedError', ['another owner'], 'opening')
      await added(first, 21, 30)
    },
  },
  {
    name: 'tabs: who waits so long and no longer is refused then',
    async run(place) {
      const [, second] = await two(place)
      fails(await second.run(() => begin({ wait: 100 })), 'LockedError', ['another owner'], 'opening')
    },
  },
  {
    name: 'tabs: who waits gets it when the first one closes it',
    run: (place) => waiting(place, (first) => first.run(() => database.close())),
  },
  {
    name: 'tabs: who waits gets it when the first tab is closed',
    run: (place) => waiting(place, (first) => first.close()),
  },
  {
    name: 'tabs: who waits gets it when the first tab goes elsewhere',
    pending: { leveldb: KEPT, sqlite: KEPT },
    run: (place) => waiting(place, (first) => first.goto(place.at('elsewhere.html'))),
  },
  {
    name: 'tabs: who waits gets it when the first tab crashes',
    needs: ['crash'],
    run: (place) => waiting(place, (first) => first.crash()),
  },
  {
    name: 'tabs: who steals gets it, and what the first one does then fails and does not land',
    async run(place) {
      const [first, second] = await two(place)
      await first.begin(() => {
        // It goes on adding, and does not wait.
        globalThis.acknowledged = []
        globalThis.failures = []
        globalThis.adding = (async () => {
          for (let n = 21; failures.length === 0; n++) {
            const noted = ({ error }) => (error === undefined ? acknowledged.push(n) : failures.push(error))
            outcome(database.stream('s').add({ n })).then(noted)
            if (n % 10 === 0) await new Promise((resolve) => setTimeout(resolve))
          }
        })()
      })
      await first.run(() => until(() => acknowledged.length > 50))
      await opened(second, { steal: true })
      const found = await second.run(() => numbers())
      await first.run(() => adding)
      const later = await first.run(() => outcome(database.stream('s').add({ n: -1 })))
      fails(later, 'FencedError', ['another owner has taken over'], 'what the first one does later')
      const { acknowledged, failures } = await first.run(() => ({ acknowledged, failures }))
      same([...new Set(failures)], ['FencedError'], 'how what it had begun fails')
      same(found, count(1, found.length), 'what the second one finds')
      ensure(found.length >= acknowledged.length + 20, 'something that was acknowledged is not there')
      same(await second.run(() => numbers()), found, 'what is there later')
      await added(second, found.length + 1, found.length + 10)
      await second.run(() => database.close())
      await opened(second)
      same(await second.run(() => numbers()), count(1, found.length + 10), 'what is there in the end')
      return `${acknowledged.length} acknowledged before, ${failures.length} failed`
    },
  },
  {
    name: 'tabs: who was robbed and does nothing is told, too',
    async run(place) {
      const [first, second] = await two(place)
      await opened(second, { steal: true })
      const told = await first.run(() => outcome(database.stream('s').add({ n: 21 })))
      fails(told, 'FencedError', ['another owner has taken over'], 'the first thing that it does')
      same(await second.run(() => numbers()), count(1, 20), 'what is there')
      fails(await first.run(() => begin()), 'LockedError', ['another owner'], 'opening again')
      await opened(first, { steal: true })
      same(await first.run(() => numbers()), count(1, 20), 'what is there when it takes it back')
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

async function waiting(place, end) {
  const [first, second] = await two(place)
  await second.begin(() => {
    globalThis.opening = begin({ wait: true })
  })
  await second.run(() => until(async () => (await navigator.locks.query()).pending.length > 0))
  await end(first)
  same(await second.evaluate('opening', 'opening it', WAIT_MS), { value: 'open' }, 'opening')
  same(await second.run(() => numbers()), count(1, 20), 'what is there')
}
