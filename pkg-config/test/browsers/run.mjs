// Shows what becomes of a stored database in a browser when something goes wrong around it.
//
// *Design.* A hazard is a name and a function; it happens in an origin of its own, in a browser that all hazards of one
// kind of store share, and says in a few words what was seen. What has to be so, it ensures; what is only published, such
// as how much survives a closed tab without having been awaited, it tells. Everything waits for what has happened, never
// for a time. What does not hold yet is `pending`, with the reason, and fails as soon as it holds.
//
// *Why not a test runner in the page.* The page is what dies, freezes and is robbed.
//
// Run: node run.mjs [--store leveldb|sqlite] [--only NAME] [--firefox], after node build.mjs.

import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { CHROMIUM_STORES, Chromium } from './chromium.mjs'
import { Firefox } from './firefox.mjs'
import { rawStorage } from './module.mjs'
import { Place } from './place.mjs'
import { serve } from './server.mjs'
import { within } from './waiting.mjs'

/** How long a hazard may take in all. */
const HAZARD_MS = 180_000

const here = dirname(fileURLToPath(import.meta.url))
const packageFolder = dirname(dirname(here))
const root = dirname(packageFolder)
const started = performance.now()
const counts = { passed: 0, failed: 0, ignored: 0 }

const { values: given } = parseArgs({
  options: { store: { type: 'string' }, only: { type: 'string' }, firefox: { type: 'boolean' } },
})
if (given.store !== undefined && !CHROMIUM_STORES.includes(given.store)) {
  throw new Error(`there is no store '${given.store}'; there are ${CHROMIUM_STORES.join(' and ')}`)
}
if (!existsSync(join(packageFolder, 'dist', 'index.js'))) throw new Error('there is no package yet: node build.mjs')
const hazards = await load()
for (const { prepare } of hazards) prepare?.(root)
const folders = { package: join(packageFolder, 'dist'), pages: join(here, 'pages'), raw: rawStorage(root) }
const server = await serve(folders)
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))
try {
  for (const { name, start } of browsers()) await runAll(name, start)
} finally {
  server.end()
}
const seconds = ((performance.now() - started) / 1000).toFixed(0)
// As `cargo test` says it: cargo xtask adds it up.
const verdict = counts.failed > 0 ? 'FAILED' : 'ok'
const { passed, failed, ignored } = counts
console.log(`\ntest result: ${verdict}. ${passed} passed; ${failed} failed; ${ignored} ignored; finished in ${seconds} s`)
if (failed > 0) process.exitCode = 1

/** The hazards, or those whose name begins as was said. */
async function load() {
  const all = []
  for (const file of (await readdir(join(here, 'hazards'))).sort()) {
    all.push(...(await import(`./hazards/${file}`)).default)
  }
  const chosen = all.filter(({ name }) => name.startsWith(given.only ?? ''))
  if (chosen.length > 0) return chosen
  throw new Error(`there is no hazard '${given.only}'; there are:\n  ${all.map(({ name }) => name).join('\n  ')}`)
}

/** The browsers in which they happen, not started yet. */
function browsers() {
  if (given.firefox) return [{ name: 'firefox', start: (profile) => Firefox.start(profile) }]
  const stores = given.store === undefined ? CHROMIUM_STORES : [given.store]
  return stores.map((store) => ({ name: store, start: (profile) => Chromium.start(store, profile) }))
}

async function runAll(kind, start) {
  const browser = await start()
  console.log(`\n${browser.version}, ${kind}`)
  try {
    for (const [at, hazard] of hazards.entries()) await runOne(browser, kind, start, hazard, at)
  } finally {
    await browser.end()
  }
}

/** Lets one hazard happen, and prints its line. */
async function runOne(browser, kind, start, { name, run, needs = [], ...hazard }, at) {
  // Why it does not hold yet: everywhere, or in some browsers.
  const pending = typeof hazard.pending === 'object' ? hazard.pending[kind] : hazard.pending
  const lacks = needs.find((need) => !browser.can.includes(need))
  if (lacks !== undefined) {
    counts.ignored++
    return console.log(`skipped: ${kind}, ${name}: ${browser.version} cannot ${lacks} from here`)
  }
  const begun = performance.now()
  const place = new Place(browser, server.port, `hazard-${at}.localhost`)
  place.start = start
  let outcome
  try {
    const seen = await within(HAZARD_MS, `the end of '${name}'`, run(place))
    place.ensureCalm()
    if (pending !== undefined) throw new Error('it is not pending any more')
    counts.passed++
    outcome = `passed: ${kind}, ${name}${seen === undefined ? '' : `: ${seen}`}`
  } catch (error) {
    const isPending = pending !== undefined && !error.message.includes('not pending')
    counts[isPending ? 'ignored' : 'failed']++
    outcome = isPending
      ? `pending: ${kind}, ${name}: ${pending}`
      : `FAILED: ${kind}, ${name}\n${error.stack.replace(/^/gm, '    ')}`
  }
  await place.end()
  const took = ((performance.now() - begun) / 1000).toFixed(1)
  console.log(`${outcome} (${took} s)`)
}
