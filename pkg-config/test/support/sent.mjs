// A database that remembers which commands it sent to its engine.

import { readFileSync } from 'node:fs'
import { open } from 'brooklet/slim'

const wasm = await WebAssembly.compile(readFileSync(new URL('../../dist/engine.wasm', import.meta.url)))

/** A database, and the commands that were sent; whoever looks may empty the list. */
export async function recorded(t) {
  const { Instance } = WebAssembly
  const sent = []
  WebAssembly.Instance = function (module, imports) {
    const { exports } = new Instance(module, imports)
    let room = 0
    const request = (bytes) => new Uint8Array(exports.memory.buffer, room, bytes)
    const wrapped = {
      ...exports,
      door_room: (door, bytes) => (room = exports.door_room(door, bytes)),
      door_call(door, bytes, nowMs) {
        sent.push(words(request(bytes)))
        return exports.door_call(door, bytes, nowMs)
      },
      door_exec(door, bytes, nowMs) {
        sent.push(...batch(request(bytes)))
        return exports.door_exec(door, bytes, nowMs)
      },
    }
    return { exports: wrapped }
  }
  try {
    const db = await open({ wasm })
    t.after(() => db.close())
    return { db, sent }
  } finally {
    WebAssembly.Instance = Instance
  }
}

/** All words of a request. */
function words(request) {
  const list = []
  for (let at = 0; at < request.length; ) at = word(request, at, list)
  return list
}

/** The commands of a batch: the number of words of each, then its words. */
function batch(request) {
  const commands = []
  for (let at = 0; at < request.length; ) {
    let { value: left, next } = length(request, at)
    const list = []
    for (; left > 0; left--) next = word(request, next, list)
    commands.push(list)
    at = next
  }
  return commands
}

function word(request, at, list) {
  const { value, next } = length(request, at)
  list.push(new TextDecoder().decode(request.slice(next, next + value)))
  return next + value
}

/** wasm/src/request.rs has the encoding. */
function length(request, at) {
  if (request[at] < 255) return { value: request[at], next: at + 1 }
  return { value: new DataView(request.slice(at + 1, at + 5).buffer).getUint32(0, true), next: at + 5 }
}
