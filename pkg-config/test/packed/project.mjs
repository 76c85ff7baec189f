// A tiny project: a folder of its own with a package.json, a few files, and the packed tarball installed by npm.
//
// What is run in it is remembered with all its output, and shown when something is wrong. Everything that was started
// is ended together with its children, at the latest by `end()`.

import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'

/** A program that has not ended by then has failed. */
const PATIENCE_MS = 240_000

/** Below what systems give out by themselves: nobody takes such a port between looking and listening. */
const PORTS = { first: 22000, last: 22499 }

/** Tools are asked to send nothing and to colour nothing. */
const ENVIRONMENT = { ...process.env, NO_COLOR: '1', NEXT_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1' }
delete ENVIRONMENT.FORCE_COLOR

/** The tools that were installed, in the folder above all projects. */
export class Tools {
  constructor(folder) {
    this.folder = folder
  }

  /** The file that runs when `name` is typed in a project. */
  program(name) {
    return join(this.folder, 'node_modules', '.bin', name)
  }

  /** A file of a package, which is not there when the package is for another platform. */
  file(path) {
    const file = join(this.folder, 'node_modules', path)
    return existsSync(file) ? file : undefined
  }

  /** Which version of a package is installed. */
  version(name) {
    return JSON.parse(readFileSync(join(this.folder, 'node_modules', name, 'package.json'), 'utf8')).version
  }
}

/** A project, in `folder`. */
export class Project {
  constructor(folder, tools, browser) {
    this.folder = folder
    this.tools = tools
    this.browser = browser
    this.log = []
    this.children = new Set()
  }

  /** Writes the files and installs the tarball. */
  async make(files, tarball) {
    rmSync(this.folder, { recursive: true, force: true })
    for (const [name, text] of Object.entries(files)) this.write(name, text)
    if (!('package.json' in files)) this.write('package.json', '{ "private": true, "type": "module" }\n')
    const options = ['--offline', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock']
    await this.run('npm', 'install', ...options, tarball)
  }

  write(name, text) {
    const path = this.path(name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  }

  path(...names) {
    return join(this.folder, ...names)
  }

  /** Runs an installed tool to its end, and gives what it printed. */
  tool(name, ...words) {
    return this.run(this.tools.program(name), ...words)
  }

  /** Runs a program to its end, and gives what it printed to standard output. */
  async run(program, ...words) {
    const child = this.start(program, ...words)
    const { code, signal } = await child.ended
    if (code !== 0) throw new Error(`${child.line} ended with ${signal ?? code}`)
    return child.output()
  }

  /** Starts a program that goes on until it is ended. */
  start(program, ...words) {
    const line = [program.replace(/^.*\//, ''), ...words].join(' ')
    this.log.push(`$ ${line}\n`)
    // A group of its own, so that what it starts is ended with it.
    const child = spawn(program, words, { cwd: this.folder, env: ENVIRONMENT, detached: true })
    child.stdin.end()
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output += text
      this.log.push(text)
    })
    child.stderr.setEncoding('utf8').on('data', (text) => this.log.push(text))
    const end = () => {
      try {
        process.kill(-child.pid, 'SIGKILL')
      } catch {
        // It has ended.
      }
    }
    const timer = setTimeout(end, PATIENCE_MS)
    const running = { line, output: () => output, end }
    running.ended = new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (code, signal) => resolve({ code, signal }))
    }).finally(() => {
      clearTimeout(timer)
      this.children.delete(running)
    })
    running.ended.catch(() => {})
    this.children.add(running)
    return running
  }

  /** Gives the line that a page prints. */
  page(address) {
    return this.browser.line(address, this.log)
  }

  /** Serves a folder of the project as it is, and gives the line that its page prints. */
  site(folder, options) {
    return this.browser.lineOf(this.path(folder), this.log, options)
  }

  /** Starts a server, waits until it answers, does something with it, and ends it. */
  async serve(words, port, use) {
    const server = this.start(...words)
    let isRunning = true
    server.ended.then(() => (isRunning = false))
    const address = `http://127.0.0.1:${port}/`
    try {
      for (;;) {
        if (!isRunning) throw new Error(`${server.line} does not go on running`)
        const answer = await fetch(address).catch(() => undefined)
        if (answer !== undefined) {
          await answer.text()
          break
        }
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
      return await use(address)
    } finally {
      server.end()
      await server.ended
    }
  }

  /** Ends whatever still runs. */
  end() {
    for (const child of this.children) child.end()
  }
}

let nextPort = PORTS.first

/** A port that nobody listens on. */
export async function freePort() {
  while (nextPort <= PORTS.last) {
    const port = nextPort++
    const server = createServer()
    const isFree = await new Promise((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
    })
    if (isFree) return port
  }
  throw new Error(`no port from ${PORTS.first} to ${PORTS.last} is free`)
}

/** The version that a program tells about itself. */
export function toldVersion(program) {
  return /\d+\.\d+\.\d+[.\d]*/.exec(execFileSync(program, ['--version'], { encoding: 'utf8' }))?.[0] ?? 'unknown'
}
