// The lock: who has a directory open.
//
// *Design.* A file for each time that the lock was taken, numbered; the highest number counts. It says which process holds
// the lock. It is written beside and then linked to its name, so it is there as a whole or not at all, and exactly one can
// create it. Letting go empties it. So a lock that was let go, or whose process is dead, is taken by creating the next one,
// and nothing that another may have taken meanwhile is ever moved or deleted: the numbers never go back.
//
// *Why not one file that is renamed and removed.* Between looking at the lock of a dead process and moving it away, another
// one may have moved it and taken its place; what is moved then is the lock of the living.
//
// The disk has to know links, as all do that are made for programs; on FAT there are none, and then no lock.
//
// A process is known by its number and by when it began, where the system tells. On another machine, which cannot be asked,
// everybody is alive.
//
// *Invariant.* Who holds the lock has the file with the highest number, unless it was stolen from him. Then the fence
// stops him: see fence.ts.

import * as fs from 'node:fs'
import { hostname } from 'node:os'
import * as process from 'node:process'
import { locked } from '../failures.js'
import { codeOf, type Directory, tolerantly } from './directory.js'

/** How often to look whether a lock was let go. */
const POLL_MS = 50
/** How many old files stay, for those who are just looking at them. */
const KEPT = 2

/** Who holds a lock. */
interface Holder {
  pid: number
  host: string
  began: string
}

/** Takes the lock, and gives what lets go of it. */
export async function lock(directory: Directory, how: { wait: number; steal: boolean }): Promise<() => void> {
  const start = performance.now()
  for (;;) {
    const newest = directory.names_('lock').findLast(({ isTemporary_ }) => !isTemporary_)
    const holder = newest && holderOf(directory, newest.name_)
    if (how.steal || !holder || !isAlive(holder)) {
      const letGo = take(directory, (newest?.first_ ?? 0) + 1)
      if (letGo !== undefined) return letGo
      continue
    }
    const left = start + how.wait - performance.now()
    if (left <= 0) {
      throw locked(
        `${directory.path_} is open in process ${holder.pid} on ${holder.host}: close it there, ` +
          'wait for that with `wait`, or take it over with `steal`',
      )
    }
    await new Promise((done) => setTimeout(done, Math.min(left, POLL_MS)))
  }
}

/** Takes the lock with this number, unless another one was faster. */
function take(directory: Directory, number: number): (() => void) | undefined {
  const name = `lock-${number}`
  const path = directory.at_(name)
  const temporary = `${path}-${Math.random().toString(36).slice(2)}.tmp`
  const holder: Holder = { pid: process.pid, host: hostname(), began: statusOf(process.pid)?.began ?? '' }
  fs.writeFileSync(temporary, JSON.stringify(holder), { mode: 0o600 })
  try {
    fs.linkSync(temporary, path)
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return undefined
    throw error
  } finally {
    fs.unlinkSync(temporary)
  }
  const names = directory.names_('lock')
  for (const { name_, first_ } of names) if (first_ <= number - KEPT) directory.delete_(name_)
  if (names.some(({ first_ }) => first_ > number)) {
    directory.delete_(name)
    return undefined
  }
  return () => void tolerantly(() => fs.truncateSync(path))
}

/** Who holds a lock, unless it was let go, or says nothing after a loss of power. */
function holderOf(directory: Directory, name: string): Holder | undefined {
  let text = ''
  try {
    text = fs.readFileSync(directory.at_(name), 'utf8')
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
  }
  return tolerantly(() => JSON.parse(text))
}

function isAlive({ pid, host, began }: Holder): boolean {
  if (host !== hostname()) return true
  try {
    process.kill(pid, 0)
  } catch (error) {
    // One that may not be asked is there.
    if (codeOf(error) === 'ESRCH') return false
  }
  const status = statusOf(pid)
  return status === undefined || (status.began === began && !/[XZ]/.test(status.state))
}

/** Whether a process is over, and when it began, where the system tells. */
function statusOf(pid: number): { state: string; began: string } | undefined {
  return tolerantly(() => {
    const status = fs.readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = status.slice(status.lastIndexOf(')') + 2).split(' ')
    return { state: fields[0]!, began: fields[19]! }
  })
}
