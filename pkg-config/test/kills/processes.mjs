// Processes: those that were started here, and what the system says of all.

import { readdirSync, readFileSync } from 'node:fs'

/** What was started here and has not ended; a negative number is a group. */
const running = new Set()

/** To be killed when this process has to end. */
export function own(pid) {
  running.add(pid)
}

export function disown(pid) {
  running.delete(pid)
}

/** Kills everything that was started here, without waiting. */
export function killAll() {
  for (const pid of running) signal(pid)
}

/** Kills a process, or the group of a negative number. */
export function signal(pid) {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It is gone.
  }
}

/** A process and all that it has started. */
export function familyOf(pid) {
  const all = processes()
  const family = all.filter((one) => one.pid === pid)
  for (let at = 0; at < family.length; at++) family.push(...all.filter(({ parent }) => parent === family[at].pid))
  return family
}

/** All processes that have not ended. */
export function processes() {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((name) => lookAt(name) ?? [])
}

/** A process, if it has not ended. A zombie has; whoever started it has not looked yet. */
export function lookAt(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (state === 'Z' || state === 'X') return undefined
    const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ')
    return { pid: Number(pid), parent: Number(parent), command }
  } catch {
    return undefined
  }
}
