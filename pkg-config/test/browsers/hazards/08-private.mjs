// A private window.

import { added, count, ensure, opened, same } from '../place.mjs'

export default [
  {
    name: 'private: a database works, says that it is not kept, and is gone with the last window',
    needs: ['be private'],
    async run(place) {
      for (let at = 0; at < 2; at++) {
        const session = await place.browser.incognito()
        const tab = await session.tab(place.at())
        await opened(tab)
        same(await tab.run(() => numbers()), [], 'what is there')
        await added(tab, 1, 20)
        const { persisted } = await tab.run(() => database.durability())
        same(persisted, false, 'whether it is kept')
        const next = await session.tab(place.at())
        await tab.run(() => database.close())
        await opened(next)
        same(await next.run(() => numbers()), count(1, 20), 'what is there in another tab')
        await session.end()
      }
      const tab = await place.tab()
      await opened(tab)
      same(await tab.run(() => numbers()), [], 'what is there outside of it')
    },
  },
]
