// Firefox without a screen, driven over Marionette.
//
// *Design.* A connection to a port that Firefox chooses and writes into its profile; messages are JSON with their length in
// front. It does one thing at a time, in the tab that was chosen before: so everything here stands in one queue. What the
// protocol does not have, clearing what is stored, is done as the browser's own code does it.
//
// *Why not WebDriver BiDi.* It needs a client for WebSockets, which Node 20 does not have.

import { spawn } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { killGroup } from './processes.mjs'
import { within } from './waiting.mjs'

const BROWSER_MS = 90_000
const COMMAND_MS = 60_000

/** It asks nobody for anything. */
const PREFERENCES = {
  'marionette.port': 0,
  'app.update.disabledForTesting': true,
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.page': 0,
  'datareporting.policy.dataSubmissionEnabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  // A page from there is no secure context.
  'network.dns.localDomains': 'insecure.test',
  'services.settings.server': 'data:,#remote-settings-dummy/v1',
  'toolkit.telemetry.enabled': false,
}

/** A browser with a profile of its own. */
export class Firefox {
  can = ['clear', 'be private', 'damage a profile']

  /** Starts it. A profile that is given is kept. */
  static async start(profile) {
    const program = process.env.PATH.split(delimiter).map((folder) => join(folder, 'firefox-esr')).find(existsSync)
    if (program === undefined) throw new Error('firefox-esr is missing; install it with: sudo apt-get install firefox-esr')
    const folder = profile ?? (await mkdtemp(join(tmpdir(), 'brooklet-firefox-')))
    await mkdir(folder, { recursive: true })
    const lines = Object.entries(PREFERENCES).map((words) => `user_pref(${JSON.stringify(words).slice(1, -1)});`)
    await writeFile(join(folder, 'user.js'), lines.join('\n'))
    await rm(join(folder, 'MarionetteActivePort'), { force: true })
    const browser = new Firefox(program, folder, profile !== undefined)
    try {
      await within(BROWSER_MS, 'the start of firefox', browser.begin())
    } catch (error) {
      await browser.end()
      throw error
    }
    return browser
  }

  constructor(program, folder, keepsProfile) {
    this.folder = folder
    this.keepsProfile = keepsProfile
    this.last = 0
    this.waiting = new Map()
    this.queue = Promise.resolve()
    const words = ['-marionette', '-headless', '-no-remote', '-remote-allow-system-access', '-profile', folder]
    // It writes into its home, which must be there.
    const env = { ...process.env, HOME: folder }
    this.child = spawn(program, words, { stdio: 'ignore', detached: true, env })
    this.ended = new Promise((resolve) => this.child.once('exit', resolve))
    this.onExit = () => {
      this.kill()
      if (!keepsProfile) rmSync(folder, { recursive: true, force: true, maxRetries: 20 })
    }
    process.on('exit', this.onExit)
    this.ended.then(() => this.fail(new Error('firefox has ended')))
  }

  async begin() {
    let port
    while (port === undefined && this.child.exitCode === null) {
      port = await readFile(join(this.folder, 'MarionetteActivePort'), 'utf8').catch(() => undefined)
      if (!(Number(port) > 0)) {
        port = undefined
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
    this.socket = connect(Number(port), '127.0.0.1')
    this.socket.on('error', (error) => this.fail(error))
    let rest = Buffer.alloc(0)
    const greeted = new Promise((resolve) => (this.greet = resolve))
    this.socket.on('data', (data) => {
      rest = Buffer.concat([rest, data])
      for (let colon; (colon = rest.indexOf(':')) >= 0; ) {
        const end = colon + 1 + Number(rest.subarray(0, colon))
        if (rest.length < end) break
        this.hear(JSON.parse(rest.subarray(colon + 1, end)))
        rest = rest.subarray(end)
      }
    })
    await greeted
    const { capabilities } = await this.send('WebDriver:NewSession', {})
    this.version = `Firefox ${capabilities.browserVersion}`
    await this.send('WebDriver:SetTimeouts', { script: COMMAND_MS, pageLoad: COMMAND_MS })
    this.first = (await this.send('WebDriver:GetWindowHandle')).value
  }

  hear(message) {
    if (!Array.isArray(message)) return this.greet()
    const [, id, error, result] = message
    const waiting = this.waiting.get(id)
    if (error === null) waiting?.resolve(result)
    else waiting?.reject(new Error(`firefox: ${error.message}`))
  }

  /** Everybody who waits hears that there will be no answer. */
  fail(reason) {
    for (const { reject } of this.waiting.values()) reject(reason)
  }

  send(name, params = {}) {
    const id = ++this.last
    const answered = new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }))
    const text = JSON.stringify([0, id, name, params])
    this.socket.write(`${Buffer.byteLength(text)}:${text}`)
    const what = `an answer of firefox to ${name} ${JSON.stringify(params)}`
    return within(COMMAND_MS, what, answered).finally(() => this.waiting.delete(id))
  }

  /** Does something when all that was begun before is done. */
  alone(act) {
    const done = this.queue.then(act, act)
    this.queue = done.catch(() => {})
    return done
  }

  /** Opens a tab with a page. */
  tab(address, isPrivate = false) {
    return this.alone(async () => {
      await this.send('WebDriver:SwitchToWindow', { handle: this.first, focus: false })
      const kind = isPrivate ? { type: 'window', private: true } : { type: 'tab' }
      const { handle } = await this.send('WebDriver:NewWindow', { ...kind, focus: false })
      await this.send('WebDriver:SwitchToWindow', { handle, focus: false })
      await this.send('WebDriver:Navigate', { url: address })
      return new Tab(this, handle)
    })
  }

  /** Begins a private session, which ends when its last window is closed. */
  async incognito() {
    const tabs = []
    return {
      tab: async (address) => {
        const tab = await this.tab(address, true)
        tabs.push(tab)
        return tab
      },
      end: async () => {
        for (const tab of tabs) await tab.close()
      },
    }
  }

  /** Deletes what is stored of an origin: everything, or IndexedDB alone. */
  async clear(origin, kinds = 'all') {
    const script = `
      const [origin, kinds, done] = arguments
      const principal = Services.scriptSecurityManager.createContentPrincipalFromOrigin(origin)
      if (kinds === 'all') {
        Services.clearData.deleteDataFromPrincipal(principal, true, Ci.nsIClearDataService.CLEAR_DOM_STORAGES, () => done())
      } else {
        Services.qms.clearStoragesForClient(principal, 'idb').callback = () => done()
      }`
    await this.alone(async () => {
      await this.send('Marionette:SetContext', { value: 'chrome' })
      try {
        await this.send('WebDriver:ExecuteAsyncScript', { script, args: [origin, kinds] })
      } finally {
        await this.send('Marionette:SetContext', { value: 'content' })
      }
    })
  }

  /** Ends it as whoever closes its last window does. */
  async end() {
    try {
      if (this.child.exitCode === null) {
        await this.send('Marionette:Quit', { flags: ['eForceQuit'] }).catch(() => {})
        await within(BROWSER_MS, 'the end of firefox', this.ended)
      }
    } catch {
      this.kill()
      await this.ended
    }
    this.socket?.destroy()
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
  notKept = []
  uncaught = []

  constructor(browser, handle) {
    this.browser = browser
    this.handle = handle
  }

  here(act) {
    return this.browser.alone(async () => {
      await this.browser.send('WebDriver:SwitchToWindow', { handle: this.handle, focus: false })
      return act()
    })
  }

  async goto(address) {
    await this.here(() => this.browser.send('WebDriver:Navigate', { url: address }))
  }

  async back() {
    await this.here(() => this.browser.send('WebDriver:Back'))
  }

  /** Runs a function in the page, which sees nothing of what is here, and gives what it returns. */
  run(code, ...args) {
    return this.evaluate(`(${code})(...${JSON.stringify(args)})`)
  }

  async evaluate(expression) {
    const script = `
      const [expression, done] = arguments
      const told = (value) => done(JSON.stringify({ value }))
      const failed = (error) => done(JSON.stringify({ error: error + '\\n' + error?.stack }))
      window.eval('(async () => await ' + expression + ')()').then(told, failed)`
    const { value } = await this.here(() => {
      return this.browser.send('WebDriver:ExecuteAsyncScript', { script, args: [expression] })
    })
    const told = JSON.parse(value)
    if (told.error !== undefined) throw new Error(told.error)
    return told.value
  }

  /** Begins something whose end is not waited for. */
  async begin(code, ...args) {
    await this.run(`() => void (${code})(...${JSON.stringify(args)})`)
  }

  async close() {
    await this.here(() => this.browser.send('WebDriver:CloseWindow'))
  }
}
