// Opens a database in pages of Chromium, each of them in a context of its own, and says how long that took, in
// milliseconds: `open()` alone, and together with loading the package from a server next door.

import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

const dist = fileURLToPath(new URL('../dist/', import.meta.url))

/** Opens so many pages; null if there is no Chromium. */
export async function openPages(count) {
  const executablePath = process.env.PATH.split(delimiter).map((folder) => join(folder, 'chromium')).find(existsSync)
  if (executablePath === undefined) return null
  const server = createServer((request, response) => {
    const isModule = request.url === '/index.js'
    response.setHeader('content-type', isModule ? 'text/javascript' : 'text/html')
    response.end(isModule ? readFileSync(join(dist, 'index.js')) : '<!doctype html><title>empty</title>')
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const browser = await chromium.launch({ executablePath, args: ['--disable-gpu', '--disable-dev-shm-usage'] })
  const told = []
  try {
    for (let turn = 0; turn < count; turn++) {
      const context = await browser.newContext()
      const page = await context.newPage()
      await page.goto(`http://127.0.0.1:${server.address().port}/`)
      told.push(await page.evaluate(openOne))
      await context.close()
    }
    return { version: browser.version(), told }
  } finally {
    await browser.close()
    server.close()
  }
}

async function openOne() {
  const start = performance.now()
  const { open } = await import('/index.js')
  const loaded = performance.now()
  const database = await open()
  const opened = performance.now()
  await database.stream('first').add({ name: 'value' })
  return { open: opened - loaded, all: opened - start }
}
