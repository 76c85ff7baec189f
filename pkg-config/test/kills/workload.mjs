// What is done to a database between two kills: producers, consumers, readers, deletions. It runs in pages and in Node.
//
// *Design.* Everything that is answered or yielded is told as a fact, in the task in which it is known. What takes
// something away is told before it is begun, and begun once that has arrived; so whoever judges knows all that may be
// missing. What becomes of messages need not be told before: it follows from their numbers, see rows.mjs.

import { CONSUMERS, COUNTER, deedOf, GROUP, rowOf, TRIMMED } from './rows.mjs'

const BATCH = 20
/** How many entries stay when the log is trimmed, and how many there are before. */
const KEPT = 60
const TRIMMED_ABOVE = 160
const PAUSE_MS_MAX = 6
const BIG_PAUSE_MS_MAX = 120
const READER_PAUSE_MS_MAX = 200
/** How often whoever only looks may take for damage what is being moved, one time after the other. */
const LOOKS_MAX = 20

/**
 * Works until `signal` aborts. `resend` are numbers to be added once more, `counter` is where the counter stands.
 * `tell(fact)` tells; `tellSurely(fact)` resolves when it has arrived; `acknowledged(isBig)` is called when an answer to a
 * producer was told; `pause(ms)` lets time pass.
 */
export async function work(db, { seed, life, random, resend, counter, tell, tellSurely, acknowledged, pause, signal }) {
  const counts = {}
  const numberOf = (producer) => `${life}/${producer}/${(counts[producer] = (counts[producer] ?? -1) + 1)}`
  const row = (number) => rowOf(seed, number)
  const log = db.stream(TRIMMED)
  const jobs = db.stream('jobs')
  const once = db.stream('once')
  const group = await jobs.group(GROUP)
  const goesOn = () => !signal.aborted
  /** Entries of the log that were answered and not deleted. */
  const known = []

  const added = (stream, id, number, isBig = false) => {
    tell(['added', stream, id, number])
    if (stream === TRIMMED) known.push(id)
    acknowledged(isBig)
  }
  const idempotent = (number) => ({ idempotent: { producer: 'p', id: number } })

  async function addOne() {
    for (; goesOn(); await pause(random.between(0, PAUSE_MS_MAX))) {
      // Several may be under way at a time; whoever adds does not wait.
      const adding = Array.from({ length: random.between(1, 3) }, async () => {
        const number = numberOf('one')
        added(TRIMMED, await log.add(row(number)), number)
      })
      await Promise.all(adding)
    }
  }

  async function addMany() {
    for (; goesOn(); await pause(random.between(0, 4 * PAUSE_MS_MAX))) {
      const numbers = Array.from({ length: random.between(1, BATCH) }, () => numberOf('many'))
      const ids = await log.addMany(numbers.map(row))
      numbers.forEach((number, at) => added(TRIMMED, ids[at], number))
    }
  }

  async function addBig() {
    for (; goesOn(); await pause(random.between(0, BIG_PAUSE_MS_MAX))) {
      const producer = random.chance(0.3) ? 'bigjob' : 'big'
      const stream = producer === 'big' ? log : jobs
      const number = numberOf(producer)
      added(stream.name, await stream.add(row(number)), number, true)
    }
  }

  async function addJobs() {
    for (; goesOn(); await pause(random.between(0, 2 * PAUSE_MS_MAX))) {
      const number = numberOf('job')
      added('jobs', await jobs.add(row(number)), number)
    }
  }

  async function addBoth() {
    for (; goesOn(); await pause(random.between(0, 4 * PAUSE_MS_MAX))) {
      const number = numberOf('both')
      const words = row(number).flat()
      const counted = ++counter
      const replies = await db.multi([
        ['XADD', 'left', '*', ...words],
        ['SET', COUNTER, counted],
        ['XADD', 'right', '*', ...words],
      ])
      tell(['counter', counted])
      added('left', replies[0], number)
      added('right', replies[2], number)
    }
  }

  async function addOnce() {
    for (const number of resend) added('once', await once.add(row(number), idempotent(number)), number)
    for (; goesOn(); await pause(random.between(0, 4 * PAUSE_MS_MAX))) {
      const number = numberOf('once')
      const times = random.between(1, 2)
      const sent = Array.from({ length: times }, () => once.add(row(number), idempotent(number)))
      for (const sending of sent) added('once', await sending, number)
    }
  }

  async function consume(consumer) {
    for await (const message of group.read(consumer, { signal })) {
      const { id, deliveries } = message
      const number = message.get('number')
      tell(['delivered', consumer, id, number, deliveries])
      await handle(deedOf(seed, number, consumer, deliveries), message, number)
      await pause(random.between(0, PAUSE_MS_MAX))
    }
  }

  async function handle(deed, message, number) {
    const { id } = message
    if (deed === 'ack') {
      await message.ack()
      tell(['acked', id])
    } else if (deed === 'ack and delete') {
      await group.ackDelete(id)
      tell(['acked', id])
      tell(['deleted', 'jobs', [id]])
    } else if (deed === 'release') {
      await message.nack()
      tell(['released', id])
    } else if (deed === 'hand over') {
      const [claimed] = await group.claim(CONSUMERS[1], 0, id)
      if (claimed !== undefined) tell(['delivered', CONSUMERS[1], id, number, claimed.deliveries])
    }
  }

  async function readOn(name, reader) {
    const reading = db.stream(name).read({ after: random.chance(0.5) ? '0' : '$', signal })
    for await (const entry of reading) tell(['seen', name, reader, entry.id, entry.get('number')])
  }

  async function remove() {
    for (; goesOn(); await pause(random.between(0, READER_PAUSE_MS_MAX))) {
      if (known.length > TRIMMED_ABOVE && random.chance(0.5)) {
        const minId = known.at(-KEPT)
        await tellSurely(['trimming', TRIMMED, minId])
        known.splice(0, known.length - KEPT)
        await log.trim({ minId })
        tell(['trimmed', TRIMMED, minId])
      } else if (known.length > KEPT) {
        const ids = Array.from({ length: 3 }, () => known.splice(random.between(0, known.length - 1), 1)[0])
        await tellSurely(['deleting', TRIMMED, ids])
        await log.delete(ids)
        tell(['deleted', TRIMMED, ids])
      }
    }
  }

  async function ask() {
    for (; goesOn(); await pause(random.between(0, READER_PAUSE_MS_MAX))) {
      const counted = ++counter
      await db.call('SET', COUNTER, counted)
      tell(['counter', counted])
      const newest = await db.call('XREVRANGE', 'left', '+', '-', 'COUNT', 3)
      for (const [id, words] of newest) tell(['seen', 'left', '', id, words[1]])
      const name = random.of(['log', 'left', 'once'])
      const info = await db.stream(name).info().catch(() => undefined)
      if (info !== undefined) tell(['last', name, info.lastGeneratedId, info.entriesAdded])
    }
  }

  const ends = [
    addOne(),
    addMany(),
    addBig(),
    addJobs(),
    addBoth(),
    addOnce(),
    ...CONSUMERS.map(consume),
    readOn(TRIMMED, 'first'),
    readOn('jobs', 'second'),
    remove(),
    ask(),
  ].map((end) => end.catch((error) => complain(error, signal, tell)))
  await Promise.all(ends)
}

/** Nothing fails here, but what was told to end. */
function complain(error, signal, tell) {
  if (signal.aborted) return
  tell(['failed', `${error?.stack ?? error}`])
}

/**
 * What somebody sees who opens the database only to look. What an owner moves meanwhile may look like damage: the cure is
 * to look again (src/persist/recovery/mod.rs).
 */
export async function peek(open, tell) {
  const db = await openToLook(open, tell)
  for (const name of [TRIMMED, 'jobs']) {
    for await (const entry of db.stream(name).range()) tell(['seen', name, '', entry.id, entry.get('number')])
  }
  await db.close()
}

async function openToLook(open, tell) {
  for (let left = LOOKS_MAX; ; left--) {
    try {
      return await open()
    } catch (error) {
      const isMisled = ['CorruptError', 'DataLossError'].includes(error.constructor.name)
      if (!isMisled || left === 0) throw error
      tell(['misled', error.message])
    }
  }
}
