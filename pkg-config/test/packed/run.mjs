// Packs the package, installs the tarball into tiny projects, runs each, and says what became of it.
//
// *Design.* An environment is a file in environments/: a name, the files of its project, and what is run. A run has to
// print the one line that program.mjs says; a check has only to succeed. Projects and tools lie in target/packed; the
// tools are installed from tools/package-lock.json, and again only when that file changes. So no package.json of this
// repository is above a project, and what a project finds is what was installed.
//
// *Why not import the built files.* Between them and a user there are the list of files, the map of exports, and what
// each bundler makes of both. Only the tarball has all of it.
//
// Run: node run.mjs [NAME ...], after node build.mjs; names are those of files in environments/.

import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Browser } from './browser.mjs'
import { EXPECTED } from './program.mjs'
import { Project, Tools } from './project.mjs'

/** So many environments run at once. */
const AT_ONCE = 2

const here = dirname(fileURLToPath(import.meta.url))
const packageFolder = dirname(dirname(here))
const target = process.env.CARGO_TARGET_DIR ?? join(dirname(packageFolder), 'target')
const work = join(target, 'packed')
const started = performance.now()

const tools = new Tools(work)
const browser = new Browser(tools)
const environments = await load(process.argv.slice(2))
installTools()
const tarball = pack()
const results = []
const projects = []
// What was started runs in groups of its own, which an interrupt does not reach.
process.on('exit', () => projects.forEach((project) => project.end()))
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))
try {
  const left = [...environments]
  const worker = async () => {
    for (let next; (next = left.shift()) !== undefined; ) await runEnvironment(next)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
} finally {
  await browser.end()
}
report()

/** The environments in these files; all of them if none is named. */
async function load(names) {
  const all = readdirSync(join(here, 'environments')).map((file) => basename(file, '.mjs'))
  const unknown = names.find((name) => !all.includes(name))
  if (unknown !== undefined) throw new Error(`there is no environment '${unknown}'; there are ${all.join(', ')}`)
  const loaded = []
  for (const name of all) {
    if (names.length > 0 && !names.includes(name)) continue
    const { default: found } = await import(`./environments/${name}.mjs`)
    loaded.push(...[found].flat())
  }
  return loaded
}

/** Installs the tools, unless they are those of the lock file. */
function installTools() {
  mkdirSync(work, { recursive: true })
  const lock = readFileSync(join(here, 'tools', 'package-lock.json'), 'utf8')
  const mark = join(work, 'installed')
  if (existsSync(mark) && readFileSync(mark, 'utf8') === lock) return
  rmSync(mark, { force: true })
  cpSync(join(here, 'tools'), work, { recursive: true })
  console.log('installing the tools into target/packed, once; this takes minutes')
  execFileSync('npm', ['ci', '--loglevel=error'], { cwd: work, stdio: 'inherit' })
  writeFileSync(mark, lock)
}

/** Packs the package as it is published, and says where. */
function pack() {
  const words = ['pack', '--json', '--pack-destination', work]
  const told = execFileSync('npm', words, { cwd: packageFolder, encoding: 'utf8' })
  const [{ filename, size, unpackedSize }] = JSON.parse(told)
  console.log(`${filename}: ${size} bytes, ${unpackedSize} unpacked`)
  return join(work, filename)
}

/** Runs everything in one environment, in order, and keeps what became of it. */
async function runEnvironment({ name, version, needs, files, runs = {}, checks = {} }) {
  const row = (what, outcome, seconds = 0, seen = '') => {
    results.push({ name, what, outcome, seconds, seen })
    console.log(`${outcome === 'failed' ? 'FAILED' : outcome}: ${name}, ${what}`)
  }
  if (needs !== undefined && tools.file(needs) === undefined) {
    return row('everything', 'skipped', 0, `not for ${process.platform}-${process.arch}`)
  }
  const project = new Project(join(work, 'projects', name.replace(/\W+/g, '-').toLowerCase()), tools, browser)
  project.tarball = tarball
  projects.push(project)
  const attempt = async (what, action) => {
    const begun = performance.now()
    project.log.length = 0
    try {
      await action()
      return (performance.now() - begun) / 1000
    } catch (error) {
      row(what, 'failed', (performance.now() - begun) / 1000, String(error.message).split('\n')[0])
      console.log(`${project.log.join('')}${error.stack}`.replace(/^/gm, '    '))
      return undefined
    } finally {
      project.end()
    }
  }
  if ((await attempt('npm install', () => project.make(files, tarball))) === undefined) return
  for (const [what, action] of Object.entries(runs)) {
    const seconds = await attempt(what, async () => {
      const line = String(await action(project)).trimEnd()
      if (line !== EXPECTED) throw new Error(`printed ${JSON.stringify(line)}, not ${JSON.stringify(EXPECTED)}`)
    })
    if (seconds !== undefined) row(what, 'passed', seconds, version(tools, browser))
  }
  for (const [what, action] of Object.entries(checks)) {
    const seconds = await attempt(what, () => action(project))
    if (seconds !== undefined) row(what, 'passed', seconds, version(tools, browser))
  }
}

/** Prints the table, and fails if anything did. */
function report() {
  const cells = results.map(({ name, what, outcome, seconds, seen }) => {
    return [name, what, outcome, `${seconds.toFixed(1)} s`, seen]
  })
  const width = (column) => Math.max(...cells.map((cell) => cell[column].length))
  const widths = [0, 1, 2, 3].map(width)
  const seconds = ((performance.now() - started) / 1000).toFixed(0)
  console.log(`\nwithin ${seconds} s; each run printed\n  ${EXPECTED}\n`)
  for (const cell of cells) {
    const row = cell.map((text, column) => text.padEnd(widths[column] ?? 0)).join('  ')
    console.log(row.trimEnd())
  }
  // As `cargo test` says it: cargo xtask adds it up.
  const count = (outcome) => results.filter((result) => result.outcome === outcome).length
  const [passed, failed, skipped] = ['passed', 'failed', 'skipped'].map(count)
  const verdict = failed > 0 ? 'FAILED' : 'ok'
  console.log(`\ntest result: ${verdict}. ${passed} passed; ${failed} failed; ${skipped} ignored`)
  if (failed > 0) process.exitCode = 1
}
