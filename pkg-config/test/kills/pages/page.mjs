// One life of a page: it opens the database, shows what is there, and works until it is killed or told to close.

import { look } from '../look.mjs'
import { Random } from '../random.mjs'
import { work } from '../workload.mjs'
import { announceEvents } from './events.mjs'
import { PLANTED } from './planted.mjs'
import { ask, order, tell, tellEvent, tellSurely } from './wire.mjs'

/** A browser notices after a moment only that a renderer is gone that held the lock. */
const LOCK_MS_MAX = 30_000

const { name, seed, life, fsync, trigger, bug, msUntilClosed } = await order()
const stop = new AbortController()
let left = trigger?.times ?? 0

/** Tells of the event that is to be killed at. */
function announce(event) {
  if (event === trigger?.event && --left === 0) tellEvent(event)
}

await ask('started', {})
announceEvents(announce)
if (bug !== null) PLANTED[bug]()
addEventListener('unhandledrejection', ({ reason }) => tell(['failed', `not handled: ${reason?.stack ?? reason}`]))
addEventListener('error', ({ message }) => tell(['failed', `not caught: ${message}`]))

watchErasure()
const { open } = await import('/dist/index.js')
const { indexedDb } = await import('/dist/indexeddb.js')
const db = await opened('refuse')
if (db !== undefined) await live(db)

/** A browser that makes the database anew has lost it, or never had it. */
function watchErasure() {
  const openDatabase = IDBFactory.prototype.open
  IDBFactory.prototype.open = function (...words) {
    const request = openDatabase.apply(this, words)
    request.addEventListener('upgradeneeded', () => {
      if (request.transaction !== null) {
        tell(['made'])
        tellEvent('made')
      }
    })
    return request
  }
}

/** Opens it, if need be once more with consent to the loss. */
async function opened(onDataLoss) {
  try {
    return await open({ storage: indexedDb(name), fsync, onDataLoss, wait: LOCK_MS_MAX })
  } catch (error) {
    const { isAccepted } = await ask('refused', { name: error.constructor.name, message: error.message })
    return isAccepted ? opened('accept') : undefined
  }
}

async function live(db) {
  const found = await look(db)
  const { isGood, resend } = await ask('look', found)
  if (!isGood) return
  const { counter } = found
  const random = new Random(`${seed} life ${life}`)
  const acknowledged = (isBig) => announce(isBig ? 'big acknowledged' : 'acknowledged')
  const { signal } = stop
  const working = work(db, { seed, life, random, resend, counter, tell, tellSurely, acknowledged, pause, signal })
  void peekFromWorker()
  if (msUntilClosed === null) return
  await pause(msUntilClosed)
  while ((await db.durability()).isHealing) await pause(10)
  await tellSurely(['closing'])
  announce('closing')
  stop.abort()
  await working
  await db.close()
  await tellSurely(['closed'])
  await ask('closed', {})
}

/** Another context looks again and again. */
async function peekFromWorker() {
  const worker = new Worker('./peeker.mjs', { type: 'module', name })
  worker.onmessage = ({ data }) => data.forEach(tell)
  worker.onerror = ({ message }) => tell(['failed', `in the worker: ${message}`])
}

/** Lets time pass, even if it is none. */
function pause(ms) {
  return new Promise((done) => setTimeout(done, ms))
}
