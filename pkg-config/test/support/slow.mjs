// A storage whose writes land when a test says so.

import { memory } from 'brooklet'

/** A storage that answers with promises, and on which writes wait while `isHeld`. */
export function slow(inner = memory()) {
  const waiting = []
  const control = {
    isHeld: false,
    batches: [],
    /** What the next writes fail with. */
    failures: [],
    opened: 0,
    /** Lets the writes go on that wait. */
    release(count = Infinity) {
      for (const go of waiting.splice(0, count)) go()
    },
    get waiting() {
      return waiting.length
    },
  }
  const connect = (connection) => {
    const slowly = {}
    for (const name of Object.keys(connection)) slowly[name] = async (...words) => connection[name](...words)
    slowly.close = () => connection.close()
    slowly.write = async (batch) => {
      control.batches.push(batch)
      if (control.isHeld) await new Promise((go) => waiting.push(go))
      const failure = control.failures.shift()
      if (failure !== undefined) throw failure
      return connection.write(batch)
    }
    return slowly
  }
  const storage = {
    ...inner,
    name: 'slow',
    sync: false,
    valueBytesMax: 60_000,
    lock: async (how) => inner.lock(how),
    open: async (how) => {
      control.opened++
      return connect(inner.open(how))
    },
    readWitness: async () => inner.readWitness(),
    writeWitness: async (bytes) => inner.writeWitness(bytes),
  }
  return [storage, control]
}

export const failure = (name, message = 'for the test') => Object.assign(new Error(message), { name })
