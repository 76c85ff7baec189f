// A Chromium that is started in a profile, killed as a whole or in part, and known to be gone.

import { spawn, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { CHROMIUM_ARGUMENTS } from '../support/chromium.mjs'
import { disown, familyOf, lookAt, own, processes, signal } from './processes.mjs'
import { until } from './until.mjs'

const ARGUMENTS = [
  ...CHROMIUM_ARGUMENTS,
  '--remote-debugging-port=0',
]

const SQLITE = 'IdbSqliteBackingStore'
/** A renderer in reserve would be killed with the others, and the next page put into it before that is known. */
const RESERVE = 'SpareRendererForSitePerProcess'

/** What chooses where IndexedDB is stored. */
export const STORES = {
  leveldb: [`--disable-features=${RESERVE},${SQLITE}`],
  sqlite: [`--disable-features=${RESERVE}`, `--enable-features=${SQLITE}`],
}

const START_MS_MAX = 60_000
const END_MS_MAX = 30_000

export function version() {
  const { stdout, error } = spawnSync('chromium', ['--version'], { encoding: 'utf8' })
  if (error) throw new Error('chromium is missing; install it with: sudo apt-get install chromium', { cause: error })
  return stdout.trim().split(/ built| snap/)[0]
}

/** One browser. */
export class Chromium {
  constructor(profile, store) {
    this.profile = profile
    this.store = store
  }

  /** Starts it with a page. */
  start(address) {
    const words = [...ARGUMENTS, ...STORES[this.store], `--user-data-dir=${this.profile}`, address]
    this.child = spawn('chromium', words, { detached: true, stdio: 'ignore' })
    this.child.on('error', () => {})
    own(-this.child.pid)
  }

  get isRunning() {
    return this.child !== undefined
  }

  /** Makes sure that IndexedDB is stored as it was asked for. */
  mustHaveStore() {
    const names = readdirSync(join(this.profile, 'Default/IndexedDB'))
    const store = names.some((name) => name.endsWith('.leveldb')) ? 'leveldb' : 'sqlite'
    if (store !== this.store) throw new Error(`this Chromium stores IndexedDB in ${store}, not in ${this.store}`)
  }

  /** Looks who runs pages, to be able to kill them without looking. */
  findRenderers() {
    this.renderers = familyOf(this.child.pid).filter(({ command }) => command.includes('--type=renderer'))
  }

  /** Kills all of it at once: the processes are one group. */
  strike() {
    signal(-this.child.pid)
    this.struck = [this.child.pid]
  }

  /** Kills what runs pages, and nothing else. */
  strikeRenderers() {
    this.struck = this.renderers.map(({ pid }) => pid)
    this.struck.forEach((pid) => signal(pid))
  }

  /** Waits until what was struck is gone. */
  async gone() {
    await until('the killed processes are gone', END_MS_MAX, () => !this.struck.some((pid) => lookAt(pid)))
  }

  /** Kills it, and waits until nothing of the profile runs. */
  async end() {
    if (this.child === undefined) return
    this.strike()
    const { profile } = this
    disown(-this.child.pid)
    this.child = undefined
    await this.gone()
    await until('no process has the profile', END_MS_MAX, () => {
      const left = processes().filter(({ command }) => command.includes(profile))
      for (const { pid } of left) signal(pid)
      return left.length === 0
    })
  }

  /** Opens a page in the browser that runs. */
  open(address) {
    return this.ask('PUT', `/json/new?${address}`)
  }

  /** The pages that are open, as the browser tells. */
  pages() {
    return this.ask('GET', '/json/list')
  }

  async ask(method, path) {
    let port
    await until('the browser says its port', START_MS_MAX, () => (port = this.port()) !== undefined)
    return new Promise((done, fail) => {
      const asking = request({ host: '127.0.0.1', port, path, method }, async (response) => {
        let text = ''
        for await (const piece of response.setEncoding('utf8')) text += piece
        done(text)
      })
      asking.on('error', fail)
      asking.end()
    })
  }

  port() {
    try {
      return Number(readFileSync(join(this.profile, 'DevToolsActivePort'), 'utf8').split('\n')[0]) || undefined
    } catch {
      return undefined
    }
  }
}
