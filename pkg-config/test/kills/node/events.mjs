// Announces calls of node:fs: `before writeSync log`, `after fdatasync part`, and so on.
//
// *Design.* What a file is follows from its name: `log-3-17` is a segment (`log`), `log-3-17.tmp` one that does not count
// yet (`new log`). The kinds of open files are noted when they are opened.

import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { basename } from 'node:path'

const BY_FILE = ['writeSync', 'fdatasync', 'fsync', 'closeSync', 'ftruncateSync']
const BY_PATH = ['openSync', 'renameSync', 'unlinkSync']

/** The kinds of open files. */
const kinds = new Map()

/** What a file is. */
function kindOf(path) {
  const name = basename(`${path}`)
  const [, kind, suffix] = /^([a-z]+)-\d.*?(\.tmp)?$/.exec(name) ?? []
  if (kind !== undefined) return suffix === undefined ? kind : `new ${kind}`
  return name.includes('witness') ? 'witness' : 'directory'
}

/** Announces all events to somebody who may never return. To be called before whoever is watched is loaded. */
export function announceEvents(announce) {
  for (const method of BY_FILE) watch(method, (fd) => kinds.get(fd), announce)
  for (const method of BY_PATH) watch(method, (path, to) => kindOf(method === 'renameSync' ? to : path), announce)
  syncBuiltinESMExports()
}

function watch(method, kindOfCall, announce) {
  const run = fs[method]
  fs[method] = (...words) => {
    const kind = kindOfCall(...words)
    // What is no file of the database is no event.
    if (kind === undefined) return run(...words)
    announce(`before ${method} ${kind}`)
    const hear = words.at(-1)
    if (typeof hear === 'function') {
      words[words.length - 1] = (...answer) => {
        announce(`after ${method} ${kind}`)
        hear(...answer)
      }
      return run(...words)
    }
    const answer = run(...words)
    if (method === 'openSync') kinds.set(answer, kind)
    if (method === 'closeSync') kinds.delete(words[0])
    announce(`after ${method} ${kind}`)
    return answer
  }
}
