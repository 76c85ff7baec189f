// A worker of any kind: does the same in each, and answers through the port that it gets.

import { open } from '/package/index.js'
import { indexedDb } from '/package/indexeddb.js'

const storage = () => indexedDb('events')

async function run(port) {
  try {
    port.postMessage(await use())
  } catch (error) {
    port.postMessage({ error: String(error?.stack ?? error) })
  }
}

async function use() {
  const first = await open({ storage: storage() })
  const locked = await open({ storage: storage() }).then(() => 'open', ({ name }) => name)
  for (let n = 1; n <= 20; n++) await first.stream('s').add({ n })
  await first.close()
  const second = await open({ storage: storage() })
  const entries = await second.stream('s').range().toArray()
  await second.close()
  return { numbers: entries.map((entry) => Number(entry.get('n'))), closed: 'closed', locked }
}

const hear = ({ ports: [port] }) => run(port)
addEventListener('message', hear)
addEventListener('connect', ({ ports: [port] }) => (port.onmessage = hear))
