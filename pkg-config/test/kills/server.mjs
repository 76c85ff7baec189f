// The server that a page is loaded from, and that hears what it tells.
//
// *Design.* A life is a number in every address. What arrives for a life that is over is not heard: the browser may send
// what a killed renderer left. An event to be killed at is acted upon before anything else, and never answered.

import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'

const PACKAGE = fileURLToPath(new URL('../..', import.meta.url))
const FOLDERS = { dist: join(PACKAGE, 'dist'), kills: join(PACKAGE, 'test/kills') }
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm' }
export const PAGE = '/kills/pages/page.html'

/** A server for one life after another. */
export class Server {
  life = null
  /** What was asked for in this life. */
  asked = []

  async start() {
    this.server = createServer((request, response) => {
      this.hear(request, response).catch((error) => this.life?.fail(error))
    })
    this.server.keepAliveTimeout = 600_000
    await new Promise((done) => this.server.listen(0, '127.0.0.1', done))
    this.origin = `http://127.0.0.1:${this.server.address().port}`
  }

  end() {
    this.server.closeAllConnections()
    this.server.close()
  }

  /** Begins a life. `hear(fact)` gets each fact once; `answers` has what is done when something is asked. */
  begin(life, { order, hear, answers, strike, fail }) {
    this.life = { number: `${life}`, order, hear, answers, strike, fail, arrived: 0 }
    this.asked = []
    this.isTaken = false
    this.untilAsked = new Promise((done) => (this.take = done))
    return `${this.origin}${PAGE}?life=${life}`
  }

  /** What arrives from now on is not heard. */
  over() {
    this.life = null
  }

  async hear(request, response) {
    const { pathname, searchParams } = new URL(request.url, this.origin)
    this.asked.push(`${searchParams.get('life') ?? ''}${pathname}`)
    if (request.method === 'GET' && pathname !== '/order') return sendFile(pathname, response)
    const chunks = []
    try {
      for await (const chunk of request) chunks.push(chunk)
    } catch {
      // Whoever sent it was killed.
      return
    }
    const life = this.life
    if (life === null || searchParams.get('life') !== life.number) return response.destroy()
    const [, path, event] = pathname.split('/')
    const isStruck = path === 'event' && event !== 'made'
    if (isStruck) life.strike(decodeURIComponent(event))
    const body = chunks.length > 0 ? JSON.parse(Buffer.concat(chunks)) : undefined
    if (path === 'event' || path === 'tell') takeFacts(life, body)
    if (isStruck) return
    if (path === 'order') {
      // Another page has it.
      if (this.isTaken) return response.destroy()
      this.isTaken = true
      this.take()
    }
    const answer = path === 'order' ? life.order : await life.answers[path]?.(body)
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    response.end(JSON.stringify(answer ?? {}))
  }
}

/** Takes the facts that were not here yet. */
function takeFacts(life, { from, facts }) {
  for (const fact of facts.slice(Math.max(0, life.arrived - from))) life.hear(fact)
  life.arrived = Math.max(life.arrived, from + facts.length)
}

async function sendFile(pathname, response) {
  const [, folder, ...rest] = decodeURIComponent(pathname).split('/')
  try {
    const path = join(FOLDERS[folder], normalize(`/${rest.join('/')}`))
    const bytes = await readFile(path)
    const type = TYPES[extname(path)] ?? 'application/octet-stream'
    response.writeHead(200, { 'content-type': type, 'cache-control': 'no-store' }).end(bytes)
  } catch {
    response.writeHead(404).end()
  }
}
