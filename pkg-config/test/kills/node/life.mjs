// One life of a process: it opens a database in files, shows what is there, and works until it kills itself at an event,
// is killed, or is told to close. What it tells goes through a pipe, a line at a time, and outlives it.
//
// Run: node life.mjs '{"directory": "...", "seed": "1", "life": 1, "fsync": "everysec", "trigger": null, "bug": null,
// "resend": [], "msUntilClosed": null}'

import fs from 'node:fs'
import { look } from '../look.mjs'
import { Random } from '../random.mjs'
import { peek, work } from '../workload.mjs'
import { announceEvents } from './events.mjs'
import { PLANTED } from './planted.mjs'

const PEEK_PAUSE_MS = 100
const FULL_PIPE_MS = 1

const { directory, seed, life, fsync, trigger, bug, resend, msUntilClosed } = JSON.parse(process.argv[2])
const stop = new AbortController()
let left = trigger?.times ?? 0

const { writeSync } = fs
const cell = new Int32Array(new SharedArrayBuffer(4))

/** Says a line, and goes on when it is in the pipe. */
function say(line) {
  const bytes = Buffer.from(`${JSON.stringify(line)}\n`)
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(1, bytes, done)
    } catch (error) {
      // The pipe is full until somebody reads.
      if (error.code !== 'EAGAIN') throw error
      Atomics.wait(cell, 0, 0, FULL_PIPE_MS)
    }
  }
}
const tell = (fact) => say({ fact })

function announce(event) {
  if (event === trigger?.event && --left === 0) {
    say({ event })
    process.kill(process.pid, 'SIGKILL')
  }
}

process.on('unhandledRejection', (error) => tell(['failed', `not handled: ${error?.stack ?? error}`]))
announceEvents(announce)
if (bug !== null) PLANTED[bug]()
const { open } = await import('brooklet')
const { nodeFiles } = await import('brooklet/node')
say({ started: true })
try {
  await live(await open({ storage: nodeFiles(directory), fsync }))
} catch (error) {
  say({ refused: { name: error.constructor.name, message: error.message } })
}

async function live(db) {
  const found = await look(db)
  say({ look: found })
  const { counter } = found
  const random = new Random(`${seed} life ${life}`)
  const acknowledged = (isBig) => announce(isBig ? 'big acknowledged' : 'acknowledged')
  const { signal } = stop
  const working = work(db, { seed, life, random, resend, counter, tell, tellSurely: tell, acknowledged, pause, signal })
  const peeking = peekAgain()
  if (msUntilClosed === null) return
  await pause(msUntilClosed)
  tell(['closing'])
  announce('closing')
  stop.abort()
  await Promise.all([working, peeking])
  await db.close()
  tell(['closed'])
}

/** Somebody else looks again and again. */
async function peekAgain() {
  const openAgain = () => open({ storage: nodeFiles(directory), readOnly: true })
  for (; !stop.signal.aborted; await pause(PEEK_PAUSE_MS)) await peek(openAgain, tell)
}

/** Lets time pass, even if it is none. */
function pause(ms) {
  return new Promise((done) => setTimeout(done, ms))
}
