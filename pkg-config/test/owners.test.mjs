// Owners of a directory that are killed or stopped at any moment, and those who come after them.
//
// *Design.* A kill at random finds little, so most are triggered by the protocol itself: a process kills or stops itself
// right before or after a call of node:fs. What it was answered until then comes through a pipe.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { nodeFiles } from 'brooklet/node'
import { bodyOf } from './support/bodies.mjs'
import { startWriter } from './support/owners.mjs'
import { CLAIM, chunks, contentsOf, directoryOf, sequencesOf } from './support/storages.mjs'

const RANDOM_KILLS = 24
/** Functions that mark an event, and how often they are called until it strikes. */
const EVENTS = { renameSync: 4, writeSync: 6, fdatasync: 4, fsync: 3, unlinkSync: 4, openSync: 5 }

const isLinux = existsSync('/proc/self/stat')

/** Compares what the next owner finds with what the one before was answered. */
function verify(connection, { answered, lines }) {
  const chunksAnswered = answered('chunk')
  const manifest = connection.readManifest()
  const upto = manifest === null ? 0 : Number(new TextDecoder().decode(manifest))
  const where = `after ${lines.slice(-3)}`
  const log = connection.readLog(0, Infinity)
  const sequences = log.map(([sequence]) => sequence).filter((sequence) => sequence > upto)
  assert.ok(upto >= (answered('manifest').at(-1) ?? 0), `an older manifest, ${where}`)
  assert.deepEqual(sequences, sequences.map((_, at) => upto + 1 + at), `a hole, ${where}`)
  assert.ok((sequences.at(-1) ?? upto) >= (chunksAnswered.at(-1) ?? 0), `the end is missing, ${where}`)
  const torn = log.findIndex(([sequence, bytes]) => Buffer.compare(bytes, bodyOf(sequence)) !== 0)
  // Only what was not answered may be torn, and only the last.
  if (torn >= 0) {
    assert.equal(torn, log.length - 1, `damage in the middle, ${where}`)
    assert.ok(log[torn][0] > (chunksAnswered.at(-1) ?? 0), `an answered chunk is torn, ${where}`)
  }
  const part = answered('parts').at(-1)
  if (part !== undefined && answered('manifest').length === answered('parts').length) {
    assert.deepEqual(connection.readParts([part]), [bodyOf(part)], `part ${part}, ${where}`)
  }
  return sequences.at(-1) ?? upto
}

/** Takes over at once, as the next process would, and looks. */
async function takeOver(directory, writer, how = { wait: 0, steal: false }) {
  const storage = nodeFiles(directory)
  const letGo = await storage.lock(how)
  const connection = await storage.open({ newSegment: false, readOnly: false })
  const epoch = connection.readEpoch() + 1
  await connection.write({ ...CLAIM, epoch })
  const last = verify(connection, writer)
  return { connection, epoch, last, letGo }
}

test('nothing that was answered is lost with a process', async (t) => {
  let answers = 0
  for (const durable of [false, true]) {
    const directory = directoryOf(t)
    for (let kill = 0; kill < RANDOM_KILLS; kill++) {
      const writer = startWriter({ directory, durable })
      await writer.said(3 + ((kill * 7) % 40))
      writer.child.kill('SIGKILL')
      assert.equal(await writer.ended(), 'SIGKILL')
      assert.ok(!writer.lines.includes('LockedError'), 'the lock of a dead process is not taken over')
      answers += writer.answered('chunk').length
      const { connection, epoch, last, letGo } = await takeOver(directory, writer)
      await connection.write({ ...chunks([last + 1, bodyOf(last + 1)]), epoch })
      connection.close()
      letGo()
    }
  }
  t.diagnostic(`${2 * RANDOM_KILLS} kills, ${answers} answered chunks`)
})

test('nothing that was answered is lost with a process that ends at an event', async (t) => {
  let kills = 0
  for (const [event, most] of Object.entries(EVENTS)) {
    const directory = directoryOf(t)
    for (let times = 1; times <= most; times++) {
      for (const isBefore of [true, false]) {
        for (const fromStart of [true, false]) {
          const durable = times % 2 === 0
          const writer = startWriter({ directory, durable, event, times, isBefore, fromStart, signal: 'SIGKILL' })
          assert.equal(await writer.ended(), 'SIGKILL', writer.lines.at(-1))
          kills++
          const { connection, letGo } = await takeOver(directory, writer)
          connection.close()
          letGo()
        }
      }
    }
  }
  t.diagnostic(`${kills} kills at events`)
})

test('an owner who was stopped writes nothing more', { skip: !isLinux && 'it needs /proc' }, async (t) => {
  let stops = 0
  for (const [event, most] of Object.entries(EVENTS)) {
    for (let times = 1; times <= most; times++) {
      for (const isBefore of [true, false]) {
        const directory = directoryOf(t)
        const given = { directory, durable: times % 2 === 0, event, times: times + 3, isBefore, signal: 'SIGSTOP' }
        const writer = startWriter(given)
        assert.ok(await writer.stopped(), writer.lines.at(-1))
        const { connection, epoch, last } = await takeOver(directory, writer, { wait: 0, steal: true })
        for (const sequence of [last + 1, last + 2]) {
          await connection.write({ ...chunks([sequence, bodyOf(sequence)]), epoch })
        }
        const before = contentsOf(connection)
        const answered = writer.answered('chunk').length
        writer.child.kill('SIGCONT')
        await writer.ended()
        assert.equal(writer.lines.at(-1), 'FencedError')
        // What it was doing may have happened before the claim. Then it is there.
        assert.ok(writer.answered('chunk').length <= answered + 1)
        assert.ok((writer.answered('chunk').at(-1) ?? 0) <= last, 'a stale write was answered')
        assert.equal(contentsOf(connection), before, 'a stale write can be seen')
        connection.close()
        const reader = await nodeFiles(directory).open({ newSegment: false, readOnly: true })
        assert.equal(contentsOf(reader), before, 'a stale write can be seen afterwards')
        assert.equal(sequencesOf(reader).at(-1), last + 2)
        reader.close()
        stops++
      }
    }
  }
  t.diagnostic(`${stops} stops`)
})
