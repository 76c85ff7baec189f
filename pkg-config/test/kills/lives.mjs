// The lives of one database: each is begun, judged, and ended as the plan says.
//
// *Design.* A life begins where the one before was killed, and first shows what is there. An event that does not come is
// not waited for for ever: then the life is killed as it is, and counted as killed at random. After the last kill there is
// one more look.

import { spawn } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Chromium } from './chromium.mjs'
import { History } from './history.mjs'
import { disown, own } from './processes.mjs'
import { pause, within } from './until.mjs'

const LIFE = fileURLToPath(new URL('node/life.mjs', import.meta.url))

/** How long an event is waited for, from when the work has begun. */
const EVENT_MS_MAX = 12_000
/** How long opening, looking and closing may take. */
const STEP_MS_MAX = 120_000
const REPEATED = 3
/** How often, and for how long each, a page is tried to be opened in a browser whose renderers were killed. */
const TRIES = 4
const TRY_MS_MAX = 10_000

/** Something that was told is undone, or something is there that nobody added. */
export class Violation extends Error {
  constructor(violations) {
    super(violations.join('\n'))
  }
}

/** Lives through a plan. `report(kill)` is told of each life. A violation is thrown. */
export async function liveThrough(plan, { folder, store, server, report }) {
  const history = new History(plan.seed)
  const place = join(folder, plan.name)
  mkdirSync(place)
  const host = plan.kind === 'node' ? new ProcessHost(place) : new PageHost(place, store, server)
  try {
    for (const [at, end] of [...plan.ends, { how: 'look' }].entries()) {
      const life = at + 1
      history.begin(life)
      const begin = performance.now()
      const before = { ...history.counts }
      const outcome = await host.live(plan, history, life, end)
      if (history.violations.length > 0) throw new Violation(history.violations)
      const acknowledged = history.counts.acknowledged - before.acknowledged
      const observed = history.counts.observed - before.observed
      const ms = performance.now() - begin
      report({ name: plan.name, life, end, outcome, acknowledged, observed, ms, erasures: history.erasures })
    }
  } catch (error) {
    throw Object.assign(error, { life: history.life })
  } finally {
    await host.end()
  }
  return history
}

/** What both hosts have: a life that is told of by steps, and an end that comes from outside. */
class Host {
  /** A life that nobody has ended yet. */
  begin(end) {
    this.ended = new Promise((done, fail) => {
      this.done = done
      this.failed = fail
    })
    this.timers = []
    this.isStruck = false
    this.wanted = end
  }

  /** Ends the life, once. */
  strikeOnce(outcome) {
    if (this.isStruck) return
    this.isStruck = true
    if (outcome !== 'violated' && outcome !== 'looked' && outcome !== 'closed') this.strike()
    this.done(outcome)
  }

  strikeAfter(ms, outcome) {
    this.timers.push(setTimeout(() => this.strikeOnce(outcome), ms))
  }

  /** The page or the process runs. */
  heardStart() {
    const { trigger, ms, how } = this.wanted
    if (how !== 'close' && how !== 'look' && trigger === null) this.strikeAfter(ms, 'random')
  }

  /** It has shown what is there. */
  heardLook(history, found) {
    history.judge(found)
    if (history.violations.length > 0) this.strikeOnce('violated')
    else if (this.wanted.how === 'look') this.strikeOnce('looked')
    else if (this.wanted.trigger) this.strikeAfter(EVENT_MS_MAX, 'no event')
    return history.violations.length === 0
  }

  /** Waits until the life is over. */
  async wait(end) {
    try {
      return await within(`a life ends that was to end so: ${JSON.stringify(end)}`, STEP_MS_MAX, this.ended)
    } catch (error) {
      throw new Error(`${error.message}\n${await this.describe()}`, { cause: error })
    } finally {
      this.timers.forEach(clearTimeout)
    }
  }

  order(plan, history, life, end) {
    const { seed, fsync, bug } = plan
    const msUntilClosed = end.how === 'close' ? end.ms : (end.closes ?? null)
    return { seed, fsync, bug, life, trigger: end.trigger ?? null, msUntilClosed, resend: history.repeatable(REPEATED) }
  }
}

/** Lives in pages of Chromium, one profile for all. */
class PageHost extends Host {
  static number = 0

  constructor(profile, store, server) {
    super()
    this.browser = new Chromium(profile, store)
    this.server = server
  }

  async live(plan, history, life, end) {
    this.begin(end)
    const order = { ...this.order(plan, history, life, end), name: 'kills' }
    const address = this.server.begin(++PageHost.number, {
      order,
      hear: (fact) => history.hear(fact),
      strike: (event) => this.strikeOnce(event),
      fail: this.failed,
      answers: {
        started: () => {
          if (end.how === 'renderer') this.browser.findRenderers()
          this.heardStart()
        },
        look: (found) => {
          this.browser.mustHaveStore()
          // What is gone by now is not repeated.
          return { isGood: this.heardLook(history, found), resend: history.repeatable(REPEATED) }
        },
        refused: (error) => this.heardRefusal(history, error),
        closed: () => this.strikeOnce('closed'),
      },
    })
    if (this.browser.isRunning) await this.openAgain(address)
    else this.browser.start(address)
    const outcome = await this.wait(end)
    this.server.over()
    await this.goOn(end, outcome)
    return outcome
  }

  /** A browser that has not noticed that a renderer is gone may put a page into it. Only one page is given the order. */
  async openAgain(address) {
    for (let left = TRIES; left > 0 && !this.server.isTaken; left--) {
      await this.browser.open(address)
      await Promise.race([this.server.untilAsked, this.ended, pause(TRY_MS_MAX)])
    }
  }

  heardRefusal(history, error) {
    const isAccepted = history.judgeFailure(error)
    if (!isAccepted) this.strikeOnce('violated')
    return { isAccepted }
  }

  strike() {
    if (this.wanted.how === 'renderer') this.browser.strikeRenderers()
    else this.browser.strike()
  }

  /** After a renderer was killed the browser goes on. */
  async goOn(end, outcome) {
    if (end.how === 'renderer' && outcome !== 'violated') return this.browser.gone()
    await this.browser.end()
    for (const path of end.erases ?? []) rmSync(join(this.browser.profile, path), { recursive: true })
  }

  /** What can be said of a life that does not end. */
  async describe() {
    const pages = await this.browser.pages().catch((error) => `no answer: ${error.message}`)
    return `asked: ${this.server.asked.join(' ')}\npages: ${pages}`
  }

  end() {
    return this.browser.end()
  }
}

/** Lives in processes of Node, one directory for all. */
class ProcessHost extends Host {
  constructor(place) {
    super()
    this.directory = join(place, 'database')
  }

  async live(plan, history, life, end) {
    this.begin(end)
    const order = { ...this.order(plan, history, life, end), directory: this.directory }
    this.child = spawn(process.execPath, [LIFE, JSON.stringify(order)], { stdio: ['ignore', 'pipe', 'pipe'] })
    own(this.child.pid)
    let complaint = ''
    this.child.stderr.on('data', (data) => (complaint += data))
    createInterface({ input: this.child.stdout }).on('line', (line) => {
      try {
        this.hear(history, line)
      } catch (error) {
        this.failed(error)
      }
    })
    const closed = new Promise((done) => this.child.on('close', (code, signal) => done({ code, signal })))
    // Whatever has ended it, all that it told is here by then.
    void closed.then(({ code, signal }) => {
      if (signal === null && complaint !== '') history.violate(`the process ended with ${code}: ${complaint}`)
      this.done(this.event ?? 'closed')
    })
    this.event = undefined
    const outcome = await this.wait(end)
    if (outcome !== 'closed') this.strike()
    await within('a killed process has ended', STEP_MS_MAX, closed)
    disown(this.child.pid)
    return this.event ?? outcome
  }

  hear(history, line) {
    let told
    try {
      told = JSON.parse(line)
    } catch {
      // A line that the kill has cut off was not told.
      return
    }
    if (told.fact) history.hear(told.fact)
    else if (told.look) this.heardLook(history, told.look)
    else if (told.started) this.heardStart()
    else if (told.event) this.event = told.event
    else if (told.refused && !history.judgeFailure(told.refused)) this.strikeOnce('violated')
  }

  strike() {
    this.child.kill('SIGKILL')
  }

  describe() {
    return `it has ${this.child.exitCode === null ? 'not ' : ''}ended`
  }

  end() {
    this.child?.kill('SIGKILL')
  }
}
