// A Worker that opens the database only to look, again and again, and tells what it has seen.

import { open } from '/dist/index.js'
import { indexedDb } from '/dist/indexeddb.js'
import { peek } from '../workload.mjs'

const PAUSE_MS = 250

const openAgain = () => open({ storage: indexedDb(self.name), readOnly: true })

while (true) {
  const facts = []
  await peek(openAgain, (fact) => facts.push(fact))
  postMessage(facts)
  await new Promise((done) => setTimeout(done, PAUSE_MS))
}
