// A process that owns a directory and writes until somebody stops it. It says what it was answered, line by line:
// `chunk 7`, `manifest 4`; and how it ended: `FencedError`.
//
// It can end or stop itself at an event of the protocol: before or after the nth call of a function of node:fs, from
// when it has claimed, or from the beginning.
//
// Run: node writer.mjs '{"directory": "...", "durable": false, "signal": "SIGKILL", "event": "renameSync", "isBefore": true,
// "times": 2, "fromStart": false}'

import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { CLAIM, chunks, NOTHING, sequencesOf } from './storages.mjs'
import { bodyOf } from './bodies.mjs'

const given = JSON.parse(process.argv[2])
let isArmed = given.fromStart === true
let left = given.times

if (given.event !== undefined) {
  const run = fs[given.event]
  const strike = () => {
    if (isArmed && --left === 0) process.kill(process.pid, given.signal)
  }
  fs[given.event] = (...words) => {
    // What it says itself is no event.
    if (words[0] === 1) return run(...words)
    if (given.isBefore) strike()
    const answer = run(...words)
    if (!given.isBefore) strike()
    return answer
  }
  syncBuiltinESMExports()
}

const say = (line) => fs.writeSync(1, `${line}\n`)
const { nodeFiles } = await import('brooklet/node')
const storage = nodeFiles(given.directory)
try {
  await storage.lock({ wait: 0, steal: false })
  const connection = await storage.open({ newSegment: false, readOnly: false })
  const epoch = connection.readEpoch() + 1
  await connection.write({ ...CLAIM, epoch })
  isArmed = true
  say(`epoch ${epoch}`)
  const covered = () => JSON.parse(new TextDecoder().decode(connection.readManifest() ?? new Uint8Array([48])))
  let upto = covered()
  for (let next = (sequencesOf(connection).at(-1) ?? upto) + 1; ; next++) {
    await connection.write({ ...chunks([next, bodyOf(next)]), epoch, durable: given.durable })
    say(`chunk ${next}`)
    if (next % 5 === 0) await connection.write({ ...NOTHING, epoch, parts: [[next, bodyOf(next)]] })
    if (next % 10 !== 0) continue
    const before = upto
    upto = next - 3
    const manifest = new TextEncoder().encode(JSON.stringify(upto))
    const deleteParts = connection.listParts().filter((id) => id < next)
    await connection.write({ ...NOTHING, epoch, durable: true, manifest, deleteLogUpto: upto })
    say(`manifest ${upto}`)
    await connection.write({ ...NOTHING, epoch, deleteParts })
    say(`parts ${next} ${before}`)
  }
} catch (error) {
  say(error.name)
}
