// Kills browsers and processes while they write, and looks whether anything is lost that anybody was told.
//
// Run: node test/kills/run.mjs [--kills N] [--store leveldb|sqlite] [--seed S] [--fsync everysec|always|no]
//      [--only chromium|node] [--database NAME] [--verbose]
//
// N kills in Chromium and N in Node, 20 if nothing is said. Then bugs are planted, and each has to be noticed. The last line
// is a summary in JSON. A seed gives the same plan, not the same run: when a kill hits what, the machine decides. The exit
// code is 1 if anything is lost, damaged or undone, or a planted bug goes unnoticed.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { STORES, version } from './chromium.mjs'
import { liveThrough, Violation } from './lives.mjs'
import { tryMutations } from './mutations.mjs'
import { erasuresOf, planOf, proofsOf } from './plan.mjs'
import { killAll } from './processes.mjs'
import { Server } from './server.mjs'

/** With so many kills a planted bug has to be noticed. */
const PROOF_KILLS_MAX = 24
const KINDS = ['chromium', 'node']

const { values: options } = parseArgs({
  options: {
    kills: { type: 'string', default: '20' },
    store: { type: 'string', default: 'leveldb' },
    seed: { type: 'string', default: `${Date.now() % 1e6}` },
    fsync: { type: 'string' },
    only: { type: 'string' },
    database: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
})
check('kills', /^\d+$/.test(options.kills))
check('store', Object.hasOwn(STORES, options.store))
check('fsync', [undefined, 'everysec', 'always', 'no'].includes(options.fsync))
check('only', [undefined, ...KINDS].includes(options.only))

function check(name, isRight) {
  if (isRight) return
  console.error(`--${name} ${options[name]} is not understood; see the head of ${process.argv[1]}`)
  process.exit(2)
}

const setup = { ...options, kills: Number(options.kills) }
const begin = performance.now()
/** The longest history of a database in which nothing was lost. */
let longest
const summary = {
  seed: setup.seed,
  store: setup.store,
  kills: {},
  closings: 0,
  acknowledged: 0,
  observed: 0,
  misled: 0,
  violated: 0,
  erasedAndTold: 0,
  bugs: {},
  erasures: {},
  mutations: { noticed: 0, of: 0 },
}
const folder = mkdtempSync(join(tmpdir(), 'brooklet-kills-'))
const server = new Server()
await server.start()

process.once('exit', killAll)
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    console.log(`stopped by ${signal}; what was there is kept in ${folder}`)
    process.exit(1)
  })
}

const kinds = KINDS.filter((kind) => (setup.only ?? kind) === kind)
if (kinds.includes('chromium')) summary.browser = version()
for (const kind of kinds) {
  for (const plan of wanted(planOf(kind, setup))) await kill(plan)
}
for (const kind of kinds) {
  for (const plan of wanted(proofsOf(kind, setup, PROOF_KILLS_MAX))) await prove(plan)
  for (const plan of wanted(erasuresOf(kind, setup))) await erase(plan)
}
server.end()
if (longest !== undefined) mutate(longest)
const isNoticed = (proof) => proof !== null && proof !== false
const proofs = [...Object.values(summary.bugs), ...Object.values(summary.erasures)]
const isSharp = summary.mutations.noticed === summary.mutations.of && proofs.every(isNoticed)
const isGood = summary.violated === 0 && isSharp
if (isGood) rmSync(folder, { recursive: true, force: true })
else console.log(`what was found is kept in ${folder}`)
printSummary()
process.exitCode = isGood ? 0 : 1

function wanted(plans) {
  return plans.filter(({ name }) => (setup.database ?? name) === name)
}

/** Lives through a plan in which nothing may be lost. */
async function kill(plan) {
  let history
  try {
    history = await liveThrough(plan, { folder, store: setup.store, server, report: count })
  } catch (error) {
    summary.violated++
    console.log(`\n${plan.name}: ${error instanceof Violation ? error.message : error.stack}`)
    console.log(`in life ${error.life} of: ${JSON.stringify(plan.ends)}`)
    console.log(`the files: ${join(folder, plan.name)}`)
    console.log(`once more: ${command(plan)}\n`)
    return
  }
  summary.erasedAndTold += history.erasures
  if (history.told.length > (longest?.told.length ?? 0)) longest = history
  summary.misled += history.counts.misled
  rmSync(join(folder, plan.name), { recursive: true, force: true, maxRetries: 9 })
}

/** Lives through a plan with a bug, until it is noticed. */
async function prove(plan) {
  let kills = 0
  const report = (life) => {
    if (isKill(life)) kills++
    tell(life)
  }
  const label = `${plan.kind}: ${plan.bug}`
  summary.bugs[label] = null
  try {
    await liveThrough(plan, { folder, store: setup.store, server, report })
    console.log(`\n${label}: not noticed after ${kills} kills\nonce more: ${command(plan)}\n`)
  } catch (error) {
    const sentence = error.message.split('\n')[0]
    // A bug that makes calls fail is not noticed by what is lost.
    if (!(error instanceof Violation) || sentence.startsWith('a call failed')) {
      console.log(`\n${label}: ${error.message}\nonce more: ${command(plan)}\n`)
      return
    }
    summary.bugs[label] = kills
    if (setup.verbose) console.log(`${label}: noticed after ${kills} kills: ${sentence}`)
    rmSync(join(folder, plan.name), { recursive: true, force: true, maxRetries: 9 })
  }
}

/** Has a database erased by hand: it is told, or it is noticed here. */
async function erase(plan) {
  summary.erasures[plan.title] = false
  try {
    const { erasures } = await liveThrough(plan, { folder, store: setup.store, server, report: tell })
    summary.erasures[plan.title] = plan.isTold && erasures === 1
  } catch (error) {
    const isNoticed = error instanceof Violation && error.message.includes('made the database anew')
    summary.erasures[plan.title] = !plan.isTold && isNoticed
    if (!summary.erasures[plan.title]) console.log(`\n${plan.name}: ${error.stack}\nonce more: ${command(plan)}\n`)
  }
}

/** Has findings judged that are wrong. */
function mutate(history) {
  const { noticed, unnoticed, impossible } = tryMutations(history)
  summary.mutations = { noticed: noticed.length, of: noticed.length + unnoticed.length }
  for (const name of unnoticed) console.log(`the judge does not notice that ${name}`)
  for (const name of impossible) console.log(`there was nothing to try on that ${name}`)
}

function isKill({ end, outcome }) {
  return end.how !== 'look' && outcome !== 'closed'
}

function count(life) {
  const { end, outcome, acknowledged, observed } = life
  summary.acknowledged += acknowledged
  summary.observed += observed
  if (outcome === 'closed') summary.closings++
  if (isKill(life)) {
    const kind = `${end.how} ${end.trigger !== null && outcome !== 'no event' ? 'at an event' : 'at random'}`
    summary.kills[kind] = (summary.kills[kind] ?? 0) + 1
  }
  tell(life)
}

function tell({ name, life, end, outcome, acknowledged, observed, ms }) {
  if (!setup.verbose) return
  const event = end.trigger ? `${end.trigger.event} #${end.trigger.times}` : ''
  const where = ['random', 'no event', 'closed', 'looked'].includes(outcome) ? `${event} ${outcome}`.trim() : event
  const counts = `${acknowledged} acknowledged, ${observed} observed`
  console.log(`${name} ${life} ${end.how.padEnd(8)} ${where.padEnd(32)} ${counts}, ${(ms / 1000).toFixed(1)} s`)
}

function command({ kind, name }) {
  const { seed, kills, store, fsync } = setup
  const given = Object.entries({ seed, kills, store, fsync, only: kind, database: name })
  const words = given.filter(([, value]) => value !== undefined).map(([option, value]) => `--${option} ${value}`)
  return `node test/kills/run.mjs ${words.join(' ')} --verbose`
}

function printSummary() {
  summary.seconds = Math.round((performance.now() - begin) / 1000)
  const kills = Object.entries(summary.kills).map(([kind, count]) => `  ${kind}: ${count}`)
  const bugs = Object.entries(summary.bugs).map(([bug, count]) => {
    return `  ${bug}: ${count === null ? 'NOT NOTICED' : `noticed after ${count} kills`}`
  })
  const { acknowledged, observed, closings, misled, violated, erasedAndTold, mutations } = summary
  const lines = [
    `kills (${summary.browser ?? 'Node alone'}, ${summary.store}):`,
    ...kills,
    `acknowledgements verified: ${acknowledged}; entries observed: ${observed}; clean ends: ${closings}`,
    `openings to look that were misled by what the owner moved, and looked again: ${misled}`,
    `databases with anything lost, damaged or undone: ${violated}; erased by the browser, and told: ${erasedAndTold}`,
    'planted bugs:',
    ...bugs,
    ...Object.entries(summary.erasures).map(([title, isRight]) => `  ${title}: ${isRight ? 'so it is' : 'NO'}`),
    `wrong findings that the judge notices: ${mutations.noticed} of ${mutations.of}`,
    `seed ${summary.seed}, ${summary.seconds} s`,
    JSON.stringify(summary),
  ]
  console.log(lines.join('\n'))
}
