// Pages that are left: kept by the browser and shown again, or gone.

import { added, count, ensure, fails, includes, opened, same } from '../place.mjs'

/** How often a page is left, and how many entries are under way then. */
const TRIES = 6
const UNDER_WAY = 20

export default [
  {
    name: 'leaving: going back finds everything, and works on or tells',
    run: (place) => back(place, async () => {}),
  },
  {
    name: 'leaving: a page that is kept and was robbed meanwhile is told',
    async run(place) {
      const other = await place.tab()
      return back(place, async () => {
        await opened(other, { steal: true })
        await added(other, 31, 40)
      })
    },
  },
  {
    name: 'leaving: the next page is not kept waiting by one that was left',
    async run(place) {
      const first = await place.tab()
      await opened(first)
      await added(first, 1, 20)
      await first.goto(place.at('elsewhere.html'))
      const next = await place.tab()
      await opened(next, { wait: true })
      same(await next.run(() => numbers()), count(1, 20), 'what is there')
    },
  },
  ...[10, 20_000].flatMap((bytes) => [
    {
      name: `leaving: entries of ${bytes} bytes that were not awaited when the page went elsewhere`,
      run: (place) =>
        notAwaited(place, bytes, async (tab, ...words) => {
          await tab.begin((...words) => {
            add(...words)
            location = '/elsewhere.html'
          }, ...words)
        }),
    },
    {
      name: `leaving: entries of ${bytes} bytes that were not awaited when the tab was closed`,
      run: (place) =>
        notAwaited(place, bytes, async (tab, ...words) => {
          // One right after the other.
          const begun = tab.begin((...words) => add(...words), ...words)
          await Promise.all([begun.catch(() => {}), tab.close()])
        }),
    },
  ]),
]

/** Leaves a page and goes back to it. */
async function back(place, meanwhile) {
  const tab = await place.tab()
  await tab.run(() => addEventListener('pageshow', ({ persisted }) => (globalThis.wasKept = persisted)))
  await opened(tab)
  await added(tab, 1, 20)
  await tab.begin(() => {
    globalThis.late = add(21, 30)
  })
  await tab.goto(place.at('elsewhere.html'))
  await meanwhile()
  await tab.back()
  const wasKept = (await tab.run(() => globalThis.wasKept)) === true
  if (wasKept) {
    const { failure } = await tab.run(() => late)
    const next = await tab.run(() => add(101, 110))
    // A page is not kept when somebody else wants its lock; if it is all the same, it is fenced.
    if (next.failure !== undefined) fails(next.failure, 'FencedError', ['another owner'], 'what it does then')
    else same(failure, undefined, 'the failure of what was under way')
    return `the page was kept, and ${next.failure === undefined ? 'works on' : 'is told'}`
  }
  await opened(tab, { steal: true })
  includes(await tab.run(() => numbers()), count(1, 20), 'what was acknowledged')
  return `the page was not kept (${tab.notKept.join(', ')})`
}

/** Leaves pages while entries are under way, and counts how many of them are there afterwards. */
async function notAwaited(place, bytes, leave) {
  let survived = 0
  let whole = 0
  for (let at = 0; at < TRIES; at++) {
    const tab = await place.tab()
    await opened(tab, { wait: true })
    const before = await tab.run(() => numbers())
    await added(tab, before.length + 1, before.length + 5)
    await leave(tab, before.length + 6, before.length + 5 + UNDER_WAY, bytes)
    const next = await place.tab()
    await opened(next, { wait: true })
    const after = await next.run(() => numbers())
    same(after, count(1, after.length), 'what is there')
    ensure(after.length >= before.length + 5, 'something that was acknowledged is not there')
    survived += after.length - before.length - 5
    if (after.length === before.length + 5 + UNDER_WAY) whole++
    await next.run(() => database.close())
    await next.close()
    await tab.close().catch(() => {})
  }
  return `${survived} of ${TRIES * UNDER_WAY} survived, all of them ${whole} times of ${TRIES}`
}
