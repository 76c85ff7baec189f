// Other processes that own a directory; see writer.mjs.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { setImmediate as nextTask } from 'node:timers/promises'

const WRITER = fileURLToPath(new URL('writer.mjs', import.meta.url))

/** Starts a writer. */
export function startWriter(given) {
  const child = spawn(process.execPath, [WRITER, JSON.stringify(given)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines = []
  const listeners = new Set()
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line)
    for (const hear of listeners) hear()
  })
  const closed = once(child, 'close')
  return {
    child,
    /** What it has said by now. */
    lines,
    /** The numbers that it was answered. */
    answered: (what) => lines.flatMap((line) => (line.startsWith(`${what} `) ? [Number(line.split(' ')[1])] : [])),
    /** Waits until it has said so many lines, or has ended. */
    async said(count) {
      const enough = new Promise((done) => {
        const hear = () => lines.length >= count && done()
        listeners.add(hear)
        hear()
      })
      await Promise.race([enough, closed])
    },
    /** Waits until it has stopped; false if it has ended. */
    async stopped() {
      while (child.exitCode === null && child.signalCode === null) {
        if (stateOf(child.pid) === 'T') return true
        await nextTask()
      }
      return false
    },
    /** Waits until it has ended and all that it said is here. */
    async ended() {
      await closed
      return child.signalCode ?? child.exitCode
    },
  }
}

function stateOf(pid) {
  const status = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return status.slice(status.lastIndexOf(')') + 2)[0]
}
