// Bugs that are planted between the adapter and node:fs, to see whether they are noticed.

import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { basename, dirname, join } from 'node:path'

/** The bugs by name. */
export const PLANTED = { 'acknowledges early': acknowledgeEarly, 'truncates early': truncateEarly }

const HELD_MS = 30
/** Of a frame: where the length of its body is, and where the body is. */
const LENGTH_AT = 24
const FRAME_BYTES = 32

/** What is appended to a segment is written later; until then it seems to be. */
function acknowledgeEarly() {
  const { openSync, writeSync, readSync, fstatSync } = fs
  const segments = new Set()
  const held = new Map()
  const write = (fd) => {
    const pieces = held.get(fd) ?? []
    held.delete(fd)
    for (const [bytes, at] of pieces) writeSync(fd, bytes, 0, bytes.length, at)
  }
  const writeAll = () => [...held.keys()].forEach(write)
  fs.openSync = (path, flags, ...more) => {
    writeAll()
    const fd = openSync(path, flags, ...more)
    if (flags === 'r+' && basename(path).startsWith('log-')) segments.add(fd)
    else segments.delete(fd)
    return fd
  }
  fs.writeSync = (fd, bytes, offset, length, at) => {
    if (!segments.has(fd)) return writeSync(fd, bytes, offset, length, at)
    const pieces = held.get(fd) ?? []
    if (pieces.length === 0) setTimeout(write, HELD_MS, fd)
    held.set(fd, [...pieces, [bytes.slice(offset, offset + length), at]])
    return length
  }
  fs.readSync = (...words) => {
    writeAll()
    return readSync(...words)
  }
  fs.fstatSync = (fd, ...more) => {
    if (held.has(fd)) write(fd)
    return fstatSync(fd, ...more)
  }
  for (const method of ['fdatasync', 'fsync', 'closeSync', 'ftruncateSync']) {
    const run = fs[method]
    fs[method] = (fd, ...more) => {
      write(fd)
      return run(fd, ...more)
    }
  }
  syncBuiltinESMExports()
}

/** The segments that a new one does without are deleted before it gets its name. */
function truncateEarly() {
  const { renameSync } = fs
  fs.renameSync = (from, to) => {
    if (/^log-\d+-\d+$/.test(basename(to))) {
      const needed = [basename(to), ...olderOf(from)]
      const segments = fs.readdirSync(dirname(to)).filter((name) => /^log-\d+-\d+$/.test(name))
      for (const name of segments) if (!needed.includes(name)) fs.unlinkSync(join(dirname(to), name))
    }
    renameSync(from, to)
  }
  syncBuiltinESMExports()
}

/** The segments that a new one names. */
function olderOf(path) {
  const bytes = fs.readFileSync(path)
  const length = bytes.readUInt32LE(LENGTH_AT)
  const root = JSON.parse(bytes.subarray(FRAME_BYTES, FRAME_BYTES + length).toString())
  return root.older.map(([name]) => name)
}
