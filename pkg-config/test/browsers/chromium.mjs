// Chromium without a screen, driven over the DevTools protocol.
//
// *Design.* `--remote-debugging-pipe`: JSON messages, each ended by a zero byte, on the file descriptors 3 and 4 of the
// browser. A tab is a session of its own; what is run in it is a function that is written out as text, with arguments
// and a result that are JSON. Whatever is waited for has a limit, and the error says what it was.
//
// *Why not a library.* Freezing, crashing, quotas and the clearing of data are only in the protocol, and the rest is this
// file. Node 20 has no client for WebSockets; a pipe needs none.

import { spawn } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { CHROMIUM_ARGUMENTS } from '../support/chromium.mjs'
import { killGroup } from './processes.mjs'
import { within } from './waiting.mjs'

const ARGUMENTS = [
  ...CHROMIUM_ARGUMENTS,
  '--remote-debugging-pipe',
  // A page from there is no secure context.
  '--host-resolver-rules=MAP insecure.test 127.0.0.1',
]

/** What stores IndexedDB, and how it is chosen. */
const STORES = { leveldb: '--disable-features', sqlite: '--enable-features' }
const FEATURE = 'IdbSqliteBackingStore'

/** How long a browser may take to start and to end, on a busy machine. */
const BROWSER_MS = 60_000
/** How long a single command may take. */
const COMMAND_MS = 30_000

export const CHROMIUM_STORES = Object.keys(STORES)

/** A browser with a profile of its own. */
export class Chromium {
  /** Starts it. A profile that is given is kept. */
  static async start(store, profile) {
    const program = process.env.PATH.split(delimiter).map((folder) => join(folder, 'chromium')).find(existsSync)
    if (program === undefined) throw new Error('chromium is missing; install it with: sudo apt-get install chromium')
    const folder = profile ?? (await mkdtemp(join(tmpdir(), 'brooklet-chromium-')))
    const browser = new Chromium(program, store, folder, profile !== undefined)
    const { product } = await browser.send('Browser.getVersion')
    browser.version = product.replace('/', ' ').replace('Headless', '')
    // What is asked for about an origin goes through a tab; this one stays.
    await browser.tab('about:blank')
    return browser
  }

  constructor(program, store, folder, keepsProfile) {
    this.store = store
    this.folder = folder
    this.keepsProfile = keepsProfile
    /** What hazards may need and not every browser has. */
    this.can = ['freeze', 'crash', 'damage a profile', 'set a quota', 'clear', 'be private', 'serve with modules']
    if (store === 'leveldb') this.can.push('lose a large value')
    this.last = 0
    this.waiting = new Map()
    this.sessions = new Map()
    const words = [...ARGUMENTS, `${STORES[store]}=${FEATURE}`, `--user-data-dir=${folder}`, 'about:blank']
    // It complains of much that a machine without a screen does not have.
    this.child = spawn(program, words, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'], detached: true })
    this.ended = new Promise((resolve) => this.child.once('exit', resolve))
    this.onExit = () => {
      this.kill()
      if (!keepsProfile) rmSync(folder, { recursive: true, force: true, maxRetries: 20 })
    }
    process.on('exit', this.onExit)
    this.ended.then(() => this.fail(new Error('chromium has ended')))
    this.pipe = this.child.stdio[3]
    this.pipe.on('error', () => {})
    let rest = Buffer.alloc(0)
    this.child.stdio[4].on('error', () => {})
    this.child.stdio[4].on('data', (data) => {
      rest = Buffer.concat([rest, data])
      for (let end; (end = rest.indexOf(0)) >= 0; rest = rest.subarray(end + 1)) {
        this.hear(JSON.parse(rest.subarray(0, end).toString()))
      }
    })
  }

  /** Sends a command, to the browser or to a session, and gives its result. */
  send(method, params = {}, sessionId = undefined, limitMs = COMMAND_MS) {
    const id = ++this.last
    const answered = new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }))
    this.pipe.write(`${JSON.stringify({ id, method, params, sessionId })}\0`)
    return within(limitMs, `an answer of chromium to ${method}`, answered).finally(() => this.waiting.delete(id))
  }

  hear({ id, method, params, result, error, sessionId }) {
    if (id === undefined) return this.sessions.get(sessionId)?.hear(method, params)
    const waiting = this.waiting.get(id)
    if (error === undefined) waiting?.resolve(result)
    else waiting?.reject(new Error(`chromium: ${error.message}`))
  }

  /** Everybody who waits hears that there will be no answer. */
  fail(reason) {
    for (const { reject } of this.waiting.values()) reject(reason)
    for (const tab of this.sessions.values()) tab.hear('ended', reason)
  }

  /** Opens a tab with a page. In a private context if one is given. */
  async tab(address, browserContextId) {
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank', browserContextId })
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true })
    const tab = new Tab(this, targetId, sessionId)
    this.sessions.set(sessionId, tab)
    for (const domain of ['Page', 'Runtime', 'Inspector']) await tab.send(`${domain}.enable`)
    await tab.goto(address)
    return tab
  }

  /** Begins a private session, which shares nothing with others. */
  async incognito() {
    const { browserContextId } = await this.send('Target.createBrowserContext')
    return {
      tab: (address) => this.tab(address, browserContextId),
      end: () => this.send('Target.disposeBrowserContext', { browserContextId }),
    }
  }

  /** Deletes what is stored of an origin: `all`, or kinds as the protocol names them. */
  async clear(origin, kinds = 'all') {
    await this.send('Storage.clearDataForOrigin', { origin, storageTypes: kinds }, this.anySession())
  }

  /** Sets how much an origin may store; without a number, as much as ever. */
  async quota(origin, bytes) {
    await this.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: bytes }, this.anySession())
  }

  anySession() {
    return this.sessions.keys().next().value
  }

  /** Ends it as whoever closes its last window does. */
  async end() {
    try {
      if (this.child.exitCode === null) await this.send('Browser.close', {}, undefined, BROWSER_MS)
      await within(BROWSER_MS, 'the end of chromium', this.ended)
    } catch {
      this.kill()
      await this.ended
    }
    process.off('exit', this.onExit)
    if (!this.keepsProfile) await rm(this.folder, { recursive: true, force: true, maxRetries: 20 })
  }

  /** Ends it at once, with all its processes. */
  kill() {
    killGroup(this.child)
  }
}

/** A tab. */
class Tab {
  constructor(browser, target, session) {
    this.browser = browser
    this.target = target
    this.session = session
    this.listeners = []
    /** Why a page could not be kept for going back to it, as the browser says. */
    this.notKept = []
    /** What nobody has caught in its pages. */
    this.uncaught = []
  }

  send(method, params, limitMs) {
    return this.browser.send(method, params, this.session, limitMs)
  }

  hear(method, params) {
    if (method === 'Page.backForwardCacheNotUsed') {
      this.notKept = params.notRestoredExplanations.map(({ reason }) => reason)
    }
    if (method === 'Runtime.exceptionThrown') {
      const { exception, text } = params.exceptionDetails
      this.uncaught.push(exception?.description ?? text)
    }
    for (const listener of [...this.listeners]) listener(method, params)
  }

  /** Waits for an event. It is called before what brings it about. */
  next(event, limitMs = COMMAND_MS) {
    let listener
    const heard = new Promise((resolve) => {
      listener = (method, params) => {
        if (method === event || method === 'ended') resolve(params)
      }
      this.listeners.push(listener)
    })
    return within(limitMs, `the event ${event} in a tab`, heard).finally(() => {
      this.listeners = this.listeners.filter((other) => other !== listener)
    })
  }

  /** Goes to a page and waits until it is loaded. */
  async goto(address) {
    const { errorText } = await this.send('Page.navigate', { url: address })
    if (errorText !== undefined) throw new Error(`cannot load ${address}: ${errorText}`)
    await this.loaded()
  }

  /** Goes back to the page before. */
  async back() {
    const { currentIndex, entries } = await this.send('Page.getNavigationHistory')
    const navigated = this.next('Page.frameNavigated')
    await this.send('Page.navigateToHistoryEntry', { entryId: entries[currentIndex - 1].id })
    await navigated
    await this.loaded()
  }

  async loaded() {
    await this.run(async () => {
      if (document.readyState !== 'complete') await new Promise((resolve) => addEventListener('load', resolve))
    })
  }

  /** Runs a function in the page, which sees nothing of what is here, and gives what it returns. */
  async run(code, ...args) {
    return this.evaluate(`(${code})(...${JSON.stringify(args)})`, String(code))
  }

  /** The same with a limit of its own, and with words for what is waited for. */
  async evaluate(expression, what, limitMs = COMMAND_MS) {
    const params = { expression, awaitPromise: true, returnByValue: true }
    const evaluated = this.send('Runtime.evaluate', params, 2 * limitMs)
    const { result, exceptionDetails } = await within(limitMs, `the end in the page of\n${what}`, evaluated)
    if (exceptionDetails !== undefined) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text)
    return result.value
  }

  /** Begins something whose end is not waited for. */
  async begin(code, ...args) {
    const expression = `void (${code})(...${JSON.stringify(args)})`
    await this.send('Runtime.evaluate', { expression })
  }

  async freeze() {
    await this.send('Page.setWebLifecycleState', { state: 'frozen' })
  }

  async thaw() {
    await this.send('Page.setWebLifecycleState', { state: 'active' })
  }

  /** Its process dies. */
  async crash() {
    const crashed = this.next('Inspector.targetCrashed')
    this.send('Page.crash').catch(() => {})
    await crashed
  }

  /** Closes it as a user does. */
  async close() {
    await this.browser.send('Target.closeTarget', { targetId: this.target })
    this.browser.sessions.delete(this.session)
  }
}
