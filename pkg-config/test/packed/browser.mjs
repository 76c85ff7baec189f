// Headless Chromium, and a static server for it.
//
// *Design.* A page passes when it prints its line, and nothing went wrong from its first byte until a moment after the
// line: no console error, no uncaught error, no failed request, no answer of 400 or more, no breach of the content
// security policy. A browser goes on after most of these, so they are listened for.

import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { delimiter, extname, join, normalize } from 'node:path'
import { MARK } from './program.mjs'
import { freePort } from './project.mjs'

/** What a page is given to print its line. */
const PATIENCE_MS = 90_000
/** How long after its line a page is listened to. */
const AFTERMATH_MS = 100

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm' }

/** A browser that is started when it is first needed. */
export class Browser {
  constructor(tools) {
    this.tools = tools
  }

  /** Opens a page and gives the line that it prints. `log` gets what it says. */
  async line(address, log) {
    this.launching ??= this.launch()
    const browser = await this.launching
    const context = await browser.newContext()
    try {
      return await listen(await context.newPage(), address, log)
    } finally {
      await context.close()
    }
  }

  /** The same, of a folder that is served with these headers. */
  async lineOf(folder, log, { path = '', headers = {} } = {}) {
    const server = createServer((request, response) => answer(folder, headers, request, response))
    const port = await freePort()
    await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve))
    try {
      return await this.line(`http://127.0.0.1:${port}/${path}`, log)
    } finally {
      server.closeAllConnections()
      server.close()
    }
  }

  async launch() {
    const program = process.env.PATH.split(delimiter).map((folder) => join(folder, 'chromium')).find(existsSync)
    if (program === undefined) throw new Error('chromium is missing; install it with: sudo apt-get install chromium')
    const { chromium } = createRequire(join(this.tools.folder, 'package.json'))('playwright-core')
    const args = ['--disable-gpu', '--disable-quic', '--disable-dev-shm-usage']
    const browser = await chromium.launch({ executablePath: program, args })
    this.version = browser.version()
    return browser
  }

  async end() {
    await (await this.launching?.catch(() => undefined))?.close()
  }
}

/** Listens to a page from before it is loaded until a moment after its line. */
async function listen(page, address, log) {
  const faults = []
  let line
  let wake
  const heard = new Promise((resolve) => (wake = resolve))
  const fault = (text) => {
    log.push(`page: ${text}\n`)
    faults.push(text)
    wake()
  }
  page.on('console', (message) => {
    // The browser asks for an icon by itself.
    if (message.location().url.endsWith('/favicon.ico')) return
    if (message.type() === 'error') return fault(`console error: ${message.text()}`)
    log.push(`page: ${message.text()}\n`)
    if (!message.text().startsWith(MARK)) return
    line = message.text()
    wake()
  })
  page.on('pageerror', (error) => fault(`uncaught ${error}`))
  page.on('crash', () => fault('the page crashed'))
  page.on('requestfailed', (request) => fault(`request failed: ${request.url()} ${request.failure()?.errorText}`))
  page.on('response', (response) => {
    if (response.status() >= 400) fault(`status ${response.status()}: ${response.url()}`)
  })
  await page.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => {
      console.error(`policy breached: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`)
    })
  })
  log.push(`$ chromium ${address}\n`)
  await page.goto(address)
  const timer = setTimeout(() => fault(`no line within ${PATIENCE_MS / 1000} s`), PATIENCE_MS)
  await heard
  clearTimeout(timer)
  await new Promise((resolve) => setTimeout(resolve, AFTERMATH_MS))
  if (faults.length > 0) throw new Error(faults.join('\n'))
  return line
}

async function answer(folder, headers, request, response) {
  const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname)
  const file = join(folder, normalize(path.endsWith('/') ? `${path}index.html` : path))
  try {
    const bytes = await readFile(file)
    const type = TYPES[extname(file)] ?? 'application/octet-stream'
    response.writeHead(200, { 'content-type': type, ...headers }).end(bytes)
  } catch {
    response.writeHead(404).end()
  }
}
