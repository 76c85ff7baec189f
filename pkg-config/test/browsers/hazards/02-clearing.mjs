// What is stored is deleted under whoever has it open.

import { added, count, ensure, fails, opened, same } from '../place.mjs'

export default [
  {
    name: 'clearing: site data under the page: it ends, and the next opening is a new database',
    needs: ['clear'],
    async run(place) {
      const tab = await begun(place)
      await place.clear()
      const refusal = await ended(tab)
      await tab.close()
      const next = await place.tab()
      await opened(next)
      same(await next.run(() => numbers()), [], 'what is there')
      same((await next.run(() => database.durability())).losses, [], 'what is told of')
      await added(next, 1, 10)
      return `'${refusal}'`
    },
  },
  {
    name: 'clearing: IndexedDB alone under the page: it ends, and the next opening tells of the loss',
    needs: ['clear'],
    async run(place) {
      const tab = await begun(place)
      await place.clear('indexeddb')
      const refusal = await ended(tab)
      await tab.close()
      return lost(place, refusal)
    },
  },
  {
    name: 'clearing: another page deletes the database: it is not kept waiting, and the loss is told',
    async run(place) {
      const tab = await begun(place)
      const other = await place.tab()
      const deleted = await other.run(() => {
        const request = indexedDB.deleteDatabase('brooklet:events')
        return new Promise((resolve) => {
          request.onsuccess = () => resolve('deleted')
          request.onerror = () => resolve(String(request.error))
        })
      })
      same(deleted, 'deleted', 'what becomes of deleting')
      const refusal = await ended(tab)
      await tab.close()
      return lost(place, refusal)
    },
  },
  {
    name: 'clearing: whoever only reads is told, and so is whoever asks for everything to be durable',
    needs: ['clear'],
    pending: 'it is noticed when something is written: until then sync() and close() succeed',
    async run(place) {
      const tab = await begun(place)
      await tab.run(async () => {
        const connection = await raw()
        globalThis.closed = new Promise((resolve) => (connection.onclose = resolve))
      })
      await place.clear()
      await tab.run(() => closed.then(() => {}))
      const synced = await tab.run(() => outcome(database.sync()))
      ensure(synced.error !== undefined, 'sync() says that everything is durable')
      const read = await tab.run(() => outcome(database.stream('s').length()))
      ensure(read.error !== undefined, 'reading goes on as if nothing had happened')
    },
  },
  {
    name: 'clearing: while many writes are under way nobody is told that they are stored and finds them gone',
    needs: ['clear'],
    async run(place) {
      const tab = await begun(place)
      await tab.begin(() => {
        globalThis.outcomes = []
        const one = async (n) => outcomes.push([n, await outcome(database.stream('s').add({ n }))])
        globalThis.many = (async () => {
          for (let n = 100; !outcomes.some(([, { error }]) => error); n++) {
            await Promise.race([one(n), new Promise((resolve) => setTimeout(resolve, 2))])
          }
        })()
      })
      await tab.run(() => until(() => outcomes.length > 50))
      await place.clear()
      await ended(tab)
      await tab.run(() => many)
      const after = await tab.run(() => outcome(database.stream('s').add({ n: 0 })))
      ensure(after.error !== undefined, 'it goes on as if nothing had happened')
    },
  },
]

/** A database of 20 entries that are durable. */
async function begun(place) {
  const tab = await place.tab()
  await opened(tab)
  await added(tab, 1, 20)
  await tab.run(() => database.sync())
  // What is durable is noted outside, a moment later.
  await tab.run(() => until(async () => (await witness()) !== undefined))
  return tab
}

/** Adds until the database has noticed, and gives the error with which it has ended. */
async function ended(tab) {
  const first = await tab.run(() => outcome(database.stream('s').add({ n: 21 })))
  ensure(first.error !== undefined, 'what is added then is acknowledged')
  const last = await tab.run(async () => {
    let last
    await until(async () => {
      last = await outcome(database.stream('s').add({ n: 22 }))
      return last.error !== 'RedisError' || !last.message.includes('tried all the time')
    })
    return last
  })
  ensure(last.error !== undefined, 'what is added later is acknowledged')
  return `${last.error}: ${last.message}`
}

/** The next opening tells of the loss, until it is accepted. */
async function lost(place, refusal) {
  const next = await place.tab()
  fails(await next.run(() => begin()), 'DataLossError', ['erased'], 'the next opening')
  fails(await next.run(() => begin()), 'DataLossError', ['erased'], 'the one after it')
  await opened(next, { onDataLoss: 'accept' })
  same(await next.run(() => numbers()), [], 'what is there')
  const { losses } = await next.run(() => database.durability())
  ensure(losses.length === 1 && losses[0].includes('erased'), `what is told of: ${JSON.stringify(losses)}`)
  await added(next, 1, 10)
  await next.run(() => database.close())
  await opened(next)
  same(await next.run(() => numbers()), count(1, 10), 'what is there in the end')
  return `'${refusal}'`
}
