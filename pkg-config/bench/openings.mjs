// How long it takes to open a database where nothing was opened before, in milliseconds: `open()` alone, and together
// with loading the package; in processes of Node, and in pages of Chromium, which load it from a server next door.

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

const dist = fileURLToPath(new URL('../dist/', import.meta.url))

/** Opens in so many processes. */
export function openProcesses(count) {
  const program = `const told = await (${openOne})('${new URL('../dist/index.js', import.meta.url)}')
    console.log(JSON.stringify(told))`
  const words = ['--input-type=module', '--eval', program]
  return Array.from({ length: count }, () => JSON.parse(execFileSync(process.execPath, words, { encoding: 'utf8' })))
}

/** Opens in so many pages, each in a context of its own; null if there is no Chromium. */
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
      told.push(await page.evaluate(openOne, '/index.js'))
      await context.close()
    }
    return { version: browser.version(), told }
  } finally {
    await browser.close()
    server.close()
  }
}

/** Loads the package and opens a database, in a process or a page: it stands by itself. */
async function openOne(address) {
  const start = performance.now()
  const { open } = await import(address)
  const loaded = performance.now()
  const database = await open()
  const opened = performance.now()
  await database.stream('first').add({ name: 'value' })
  return { open: opened - loaded, all: opened - start }
}
