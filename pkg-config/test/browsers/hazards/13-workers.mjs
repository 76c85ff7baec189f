// Workers of all kinds.

import { ensure, same } from '../place.mjs'

const EXPECTED = { numbers: Array.from({ length: 20 }, (_, at) => at + 1), closed: 'closed', locked: 'LockedError' }

export default ['dedicated', 'shared', 'service'].map((kind) => ({
  name: `workers: a ${kind} worker has a database`,
  needs: kind === 'service' ? ['serve with modules'] : [],
  async run(place) {
    const tab = await place.tab()
    const told = await tab.run(async (kind) => {
      const { port1, port2 } = new MessageChannel()
      const options = { type: 'module' }
      const answer = new Promise((resolve, reject) => {
        port1.onmessage = ({ data }) => resolve(data)
        globalThis.failWorker = reject
      })
      const failed = ({ message }) => failWorker(new Error(`the worker failed: ${message}`))
      if (kind === 'dedicated') {
        const worker = new Worker('/worker.js', options)
        worker.onerror = failed
        worker.postMessage('run', [port2])
      } else if (kind === 'shared') {
        const worker = new SharedWorker('/worker.js', options)
        worker.onerror = failed
        worker.port.postMessage('run', [port2])
      } else {
        const registration = await navigator.serviceWorker.register('/worker.js', options)
        const worker = registration.installing ?? registration.active
        worker.postMessage('run', [port2])
      }
      return answer
    }, kind)
    ensure(told.error === undefined, `the worker: ${told.error}`)
    same(told, EXPECTED, 'what the worker says')
    // The page and the worker keep each other out, and find the same.
    same(await tab.run(() => begin({ wait: true })), { value: 'open' }, 'opening it in the page')
    same(await tab.run(() => numbers()), EXPECTED.numbers, 'what is there')
  },
}))
