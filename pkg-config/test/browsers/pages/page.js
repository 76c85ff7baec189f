// What hazards use in a page: the package, and a few words about it.

import { open } from '/package/index.js'
import { indexedDb } from '/package/indexeddb.js'

const NAME = 'events'

/** Opens the database as `database`; what it tells of its storage is kept in `events`. */
function begin(options) {
  const opening = open({ storage: indexedDb(NAME), ...options })
  const events = []
  opening.addEventListener('persist-error', ({ error }) => events.push(`${error.name}: ${error.message}`))
  opening.addEventListener('persist-resumed', () => events.push('resumed'))
  Object.assign(globalThis, { database: opening, events })
  return outcome(opening, () => 'open')
}

/** What becomes of a promise, as plain data. */
async function outcome(promise, of = (value) => value) {
  try {
    return { value: of(await promise) }
  } catch (error) {
    return { error: error.name, code: error.code, message: error.message }
  }
}

/** Adds entries with the numbers from one to another, all at once, and tells which were acknowledged. */
async function add(from, to, bytes = 0, options = {}) {
  const stream = database.stream('s')
  const padding = bytes === 0 ? [] : [['x', noise(bytes)]]
  const all = []
  for (let n = from; n <= to; n++) all.push(outcome(stream.add([['n', n], ...padding], options)))
  const outcomes = await Promise.all(all)
  const acknowledged = outcomes.flatMap(({ error }, at) => (error === undefined ? [from + at] : []))
  return { acknowledged, failure: outcomes.find(({ error }) => error !== undefined) }
}

/** The numbers of all entries. */
async function numbers() {
  const entries = await database.stream('s').range().toArray()
  return entries.map((entry) => Number(entry.get('n')))
}

/** Waits until something is so. */
async function until(isSo) {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 5))
}

/** Bytes that cannot be compressed. */
function noise(length) {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536))
  return bytes
}

/** A connection to the database as the browser stores it. */
function raw() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(`brooklet:${NAME}`)
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

/** Does something in a transaction of its own on what is stored, and gives the result of its request. */
async function stored(store, work) {
  const connection = await raw()
  const transaction = connection.transaction(store, 'readwrite')
  const ended = new Promise((resolve, reject) => {
    transaction.oncomplete = resolve
    transaction.onabort = () => reject(transaction.error)
  })
  const request = work(transaction.objectStore(store))
  await ended
  connection.close()
  return request?.result
}

/** Replaces a stored value, the first one with this key, by what is made of its bytes. */
async function change(store, key, make) {
  const [value, found] = await Promise.all([
    stored(store, (one) => one.get(key)),
    stored(store, (one) => one.getKey(key)),
  ])
  await stored(store, (one) => one.put(make(value), found))
}

/** Flips a bit in the middle of a stored value. */
function flip(store, key) {
  return change(store, key, (bytes) => {
    bytes[bytes.length >> 1] ^= 4
    return bytes
  })
}

/** The bytes of the witness, if there is one. */
async function witness() {
  try {
    const folder = await navigator.storage.getDirectory()
    const file = await (await folder.getFileHandle(`brooklet-${NAME}.witness`)).getFile()
    const bytes = new Uint8Array(await file.arrayBuffer())
    return bytes.length === 0 ? undefined : Array.from(bytes)
  } catch {
    return undefined
  }
}

Object.assign(globalThis, { open, indexedDb, begin, outcome, add, numbers, until, noise })
Object.assign(globalThis, { raw, stored, change, flip, witness })
