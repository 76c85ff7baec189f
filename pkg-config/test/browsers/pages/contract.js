// The contract suite of `brooklet/testing` on the storage in IndexedDB, as it is written in Rust.

import { checkStorage } from '/package/testing.js'
import init, { RawIndexedDb } from '/raw/raw.js'

let places = 0

/** The raw storage with the methods of `Storage`. */
class Adapter {
  valueBytesMax = 60_000
  /** Counts connections: the last one counts. */
  generation = 0
  /** Settled when nothing is being opened. */
  opening = Promise.resolve()

  constructor(name) {
    this.name = `indexeddb:${name}`
    this.database = name
    this.raw = new RawIndexedDb(name)
  }

  async lock({ wait, steal }) {
    // A Web Lock is free a moment after it was let go.
    await navigator.locks.query()
    // The raw storage has one object for the lock and the connection, and closing it lets go of both.
    const holder = new RawIndexedDb(this.database)
    await holder.lock(Number.isFinite(wait) ? wait : 2 ** 53, steal)
    return () => holder.close()
  }

  /** Connections are opened one after the other: whoever opens the raw storage gives up an opening that is under way. */
  open({ newSegment, readOnly }) {
    const connection = new Connection(this, ++this.generation)
    this.opening = this.opening.catch(() => {}).then(() => this.raw.open(newSegment, readOnly))
    return this.opening.then(() => connection)
  }

  readWitness() {
    return this.raw.readWitness()
  }

  writeWitness(bytes) {
    return this.raw.writeWitness(bytes)
  }

  async destroy() {
    await RawIndexedDb.destroy(this.database)
  }

  async describe() {
    return { persisted: await navigator.storage.persisted(), ...(await navigator.storage.estimate()) }
  }
}

/** A connection; the raw storage has one at a time. */
class Connection {
  constructor(adapter, generation) {
    this.adapter = adapter
    this.generation = generation
    for (const method of ['readManifest', 'readEpoch', 'listLog', 'readLog', 'listParts', 'readParts', 'write']) {
      this[method] = async (...words) => {
        if (adapter.generation !== this.generation) throw gone()
        return adapter.raw[method](...words)
      }
    }
  }

  close() {
    if (this.adapter.generation !== this.generation) return
    this.adapter.generation++
    this.adapter.raw.close()
    this.adapter.raw = new RawIndexedDb(this.adapter.database)
  }
}

function gone() {
  return Object.assign(new Error('the connection is gone'), { name: 'InvalidStateError' })
}

/** An empty place for a check. */
function make() {
  const name = `contract-${++places}`
  const adapters = []
  const again = () => {
    const adapter = new Adapter(name)
    adapters.push(adapter)
    return adapter
  }
  return {
    storage: again(),
    again,
    dispose: async () => {
      for (const { raw } of adapters) raw.close()
      await RawIndexedDb.destroy(name)
    },
  }
}

/** Runs all checks, and gives what became of each. */
async function check() {
  await init()
  const outcomes = []
  for (const { name, run } of checkStorage(make, { histories: 5, steps: 100 })) {
    const begun = performance.now()
    const failure = await run().then(() => undefined, (error) => String(error?.message ?? error))
    outcomes.push({ name, failure, ms: Math.round(performance.now() - begun) })
    globalThis.last = name
  }
  return outcomes
}

globalThis.check = check
