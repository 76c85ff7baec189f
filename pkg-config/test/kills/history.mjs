// What was told of a database through all its lives, and whether what is found in it later fits to that.
//
// *Design.* A fact is an array whose first word says what it is about, as workload.mjs tells it. What is found by an
// opening (see look.mjs) is judged, and then is a fact like any other: whoever looked has seen it. Each violation is a
// sentence; none means that nothing that anybody was told is undone, and that nothing is there that nobody added.
//
// *What may be missing.* Entries of which it was told that they are to be deleted, and messages whose fate it is. What was
// begun and not answered may have happened or not, but a trim as a whole.
//
// *Invariants*
// 1. An ID stands for one number for ever, also after a loss.
// 2. What is gone never comes back.

import {
  CONSUMERS,
  compareIds,
  digestOf,
  fateOf,
  GROUP,
  mustStay,
  PRODUCERS,
  partsOf,
  rowOf,
  STREAMS,
  TRIMMED,
} from './rows.mjs'

const VIOLATIONS_MAX = 20
/** How many entries may be on their way to be deleted one by one. */
const DELETED_MAX = 6

/** What is known of one stream. */
class StreamHistory {
  /** By ID: its number, and whether it may be, or is, gone. */
  entries = new Map()
  /** IDs by number. */
  ids = new Map()
  lastId = '0-0'
  entriesAdded = 0
  /** The IDs that live readers of this life were given, by reader. */
  readers = new Map()
  /** Where a trim that was begun and not answered would cut. */
  cut = null
  /** What comes before may be gone. */
  floor = '0-0'
}

/** What was told of a database. */
export class History {
  /** `digests` are those of rows that are known already. */
  constructor(seed, digests = new Map()) {
    this.seed = seed
    this.digests = digests
    this.life = 0
    this.epoch = 0
    /** How the life before ended: clean, unclean or unknown. */
    this.end = 'clean'
    this.isClosing = false
    this.isClosed = false
    this.hasWritten = false
    /** Whether the browser has made the database anew since somebody looked, and whether a loss was told since then. */
    this.wasMade = false
    this.isLossNew = false
    this.mayBeToldAgain = false
    /** Everything that was told, to be told again: see mutations.mjs. */
    this.told = []
    /** What is counted for the summary. */
    this.counts = { acknowledged: 0, observed: 0, misled: 0 }
    this.violations = []
    this.erasures = 0
    this.forget()
    this.streams = new Map(STREAMS.map((name) => [name, new StreamHistory()]))
  }

  /** A life begins. How the one before ended is not known if it was killed before it wrote, or while it was closed. */
  begin(life) {
    this.told.push(['begin', life])
    this.life = life
    if (this.isClosed) this.end = 'clean'
    else if (this.isClosing) this.end = 'unknown'
    else if (this.hasWritten) this.end = 'unclean'
    else if (this.end === 'clean' && life > 1) this.end = 'unknown'
    this.isClosing = false
    this.isClosed = false
    this.hasWritten = false
  }

  /** Takes a fact. */
  hear(fact) {
    this.told.push(['hear', fact])
    const [about, ...rest] = fact
    const hear = this[`hear_${about}`]
    if (hear === undefined) throw new Error(`an unknown fact: ${JSON.stringify(fact)}`)
    hear.apply(this, rest)
  }

  hear_added(stream, id, number) {
    this.counts.acknowledged++
    this.hasWritten = true
    this.observe(stream, id, number)
  }

  hear_seen(stream, reader, id, number) {
    this.counts.observed++
    this.observe(stream, id, number)
    if (reader === '') return
    const { readers } = this.streams.get(stream)
    const read = readers.get(reader) ?? []
    const last = read.at(-1) ?? '0-0'
    this.must(compareIds(last, id) < 0, `${stream}: ${reader} read ${id} after ${last}`)
    read.push(id)
    readers.set(reader, read)
  }

  hear_delivered(consumer, id, number, deliveries) {
    this.counts.observed++
    this.observe('jobs', id, number)
    const message = this.messages.get(id) ?? { number, deliveries: 0, over: null }
    const isOver = message.over !== null && message.over < this.life
    this.must(!isOver, `${GROUP}: ${id} was delivered after it was acknowledged`)
    this.must(deliveries >= 1, `${GROUP}: ${id} was delivered ${deliveries} times`)
    message.owner = consumer
    message.mayBeReleased = false
    message.deliveries = Math.max(message.deliveries, deliveries)
    this.messages.set(id, message)
    if (compareIds(id, this.lastDeliveredId) > 0) this.lastDeliveredId = id
  }

  hear_acked(id) {
    this.counts.acknowledged++
    this.messages.get(id).over ??= this.life
  }

  hear_released() {
    this.counts.acknowledged++
  }

  hear_deleting(stream, ids) {
    for (const id of ids) this.streams.get(stream).entries.get(id).mayGo = true
  }

  hear_deleted(stream, ids) {
    this.counts.acknowledged++
    for (const id of ids) this.streams.get(stream).entries.get(id).isGone = true
  }

  hear_trimming(stream, minId) {
    const history = this.streams.get(stream)
    history.cut = minId
    history.floor = minId
    this.eachBefore(stream, minId, (entry) => (entry.mayGo = true))
  }

  hear_trimmed(stream, minId) {
    this.counts.acknowledged++
    this.streams.get(stream).cut = null
    this.eachBefore(stream, minId, (entry) => (entry.isGone = true))
  }

  hear_counter(value) {
    this.counts.acknowledged++
    this.counter = Math.max(this.counter, value)
  }

  hear_last(stream, lastId, entriesAdded) {
    this.counts.observed++
    const history = this.streams.get(stream)
    if (compareIds(lastId, history.lastId) > 0) history.lastId = lastId
    history.entriesAdded = Math.max(history.entriesAdded, entriesAdded)
  }

  /** The readers of messages are ended: what they were given and did not hand over is released. */
  hear_closing() {
    this.isClosing = true
    for (const message of this.messages.values()) message.mayBeReleased = true
  }

  hear_closed() {
    this.isClosed = true
  }

  /** IndexedDB says that it makes the database. */
  hear_made() {
    if (this.epoch > 0) this.wasMade = true
  }

  /** Whoever only looked took for damage what the owner was moving, and looked again. */
  hear_misled() {
    this.counts.misled++
  }

  hear_failed(text) {
    this.violate(`a call failed: ${text}`)
  }

  /** An entry is there, or was. */
  observe(stream, id, number) {
    const history = this.streams.get(stream)
    const known = history.entries.get(id)
    // A trim may take what was answered at the same time.
    const mayGo = compareIds(id, history.floor) < 0
    if (known === undefined) history.entries.set(id, { number, mayGo, isGone: false })
    const before = known?.number ?? number
    this.must(before === number, `${stream}: ${id} is ${number}, and was ${before}`)
    const other = history.ids.get(number) ?? id
    history.ids.set(number, other)
    this.must(other === id, `${stream}: ${number} is at ${id}, and was at ${other}`)
    if (compareIds(id, history.lastId) > 0) history.lastId = id
  }

  eachBefore(stream, minId, act) {
    for (const [id, entry] of this.streams.get(stream).entries) if (compareIds(id, minId) < 0) act(entry)
  }

  /** Everything was lost, and that was told. IDs and numbers stay used. */
  forget() {
    this.messages = new Map()
    this.lastDeliveredId = '0-0'
    this.counter = 0
    for (const history of this.streams?.values() ?? []) {
      for (const entry of history.entries.values()) entry.isGone = true
      history.lastId = '0-0'
      history.entriesAdded = 0
      history.readers.clear()
      history.cut = null
    }
  }

  /** Some numbers whose idempotent addition was answered: adding them again has to give the same IDs. */
  repeatable(count) {
    const entries = [...this.streams.get('once').entries.values()].filter((entry) => !entry.isGone)
    return entries.slice(-count).map(({ number }) => number)
  }

  /** Judges what an opening has found. What it found counts as seen from then on. */
  judge(found) {
    this.told.push(['judge', found])
    const { durability, counter, streams, group } = found
    this.judgeMade()
    this.judgeDurability(durability)
    this.must(counter >= this.counter, `the counter is ${counter}, and was ${this.counter}`)
    this.counter = counter
    for (const [name, found] of Object.entries(streams)) this.judgeStream(name, found)
    this.judgeBoth()
    this.judgeGroup(group)
  }

  judgeDurability({ wasClean, isHealing, isLossy, losses, epoch, applied, written, durable }) {
    const end = this.isLossNew ? 'unclean' : this.end
    const isToldRight = end === 'unknown' || wasClean === (end === 'clean')
    this.must(isToldRight, `wasClean is ${wasClean} after this end: ${end}`)
    if (!wasClean) this.end = 'unclean'
    this.must(!wasClean || !isHealing, 'it is healing after a clean end')
    // What begins after an erasure is a new log, and of that nothing was lost (src/persist/recovery/verdict.rs).
    this.must(!isLossy, 'isLossy is true')
    this.must(losses.length > 0 === this.isLossNew, `losses are ${JSON.stringify(losses)}`)
    this.must(epoch > this.epoch || this.isLossNew, `the epoch is ${epoch}, and was ${this.epoch}`)
    this.must(durable <= written && written <= applied, `positions are ${applied}, ${written}, ${durable}`)
    this.epoch = epoch
    this.mayBeToldAgain = this.isLossNew
    this.isLossNew = false
  }

  judgeStream(name, { entries, length, lastId, entriesAdded }) {
    const history = this.streams.get(name)
    const found = new Map()
    let before = '0-0'
    for (const [id, number, digest] of entries) {
      this.must(compareIds(before, id) < 0, `${name}: ${id} stands behind ${before}`)
      before = id
      found.set(id, number)
      this.judgeEntry(name, id, number, digest)
      this.must(!history.entries.get(id)?.isGone, `${name}: ${id} (${number}) was deleted and is there`)
      this.observe(name, id, number)
    }
    this.must(length === found.size, `${name}: it has ${found.size} entries and says ${length}`)
    this.judgeMissing(name, found)
    this.judgeOrder(name, found)
    this.judgeReaders(name, history)
    const isLast = compareIds(lastId, history.lastId) >= 0
    this.must(isLast, `${name}: the last ID is ${lastId}, and ${history.lastId} was seen`)
    const isMore = entriesAdded >= history.entriesAdded
    this.must(isMore, `${name}: ${entriesAdded} entries were added, and ${history.entriesAdded} before`)
    history.lastId = lastId
    history.entriesAdded = entriesAdded
    for (const [id, entry] of history.entries) if (!found.has(id)) entry.isGone = true
    history.cut = null
    history.readers.clear()
  }

  judgeEntry(name, id, number, digest) {
    const parts = partsOf(number)
    const isOurs = parts !== null && parts.life <= this.life && PRODUCERS[parts.producer].streams.includes(name)
    this.must(isOurs, `${name}: ${id} was never added: ${number}`)
    this.must(!isOurs || digest === this.digestOf(number), `${name}: ${id} (${number}) is damaged`)
  }

  digestOf(number) {
    if (!this.digests.has(number)) this.digests.set(number, digestOf(rowOf(this.seed, number)))
    return this.digests.get(number)
  }

  judgeMissing(name, found) {
    const { entries, cut } = this.streams.get(name)
    let [below, missing] = [0, 0]
    for (const [id, { number, mayGo, isGone }] of entries) {
      const isThere = found.has(id)
      const mayLack = mayGo || isGone || this.isFated(name, number)
      this.must(isThere || mayLack, `${name}: ${id} (${number}) is lost`)
      if (cut === null || isGone || compareIds(id, cut) >= 0) continue
      if (isThere) below++
      else missing++
    }
    const isWhole = below === 0 || missing <= DELETED_MAX
    this.must(isWhole, `${name}: a trim happened in part: ${below} stayed and ${missing} went`)
  }

  /** Of what one producer added, nothing is missing before something that is there. */
  judgeOrder(name, found) {
    const counts = new Map()
    for (const [id, number] of found) {
      const parts = partsOf(number)
      if (parts === null) continue
      const key = `${parts.life}/${parts.producer}`
      const run = counts.get(key) ?? []
      // It cannot be said how much was trimmed before.
      const next = run.length > 0 ? run.at(-1) + 1 : name === TRIMMED ? parts.count : 0
      this.must(parts.count >= next, `${name}: ${id} (${number}) stands behind ${key}/${next - 1}`)
      for (let count = next; count < parts.count; count++) this.judgeGap(name, `${key}/${count}`, id)
      run.push(parts.count)
      counts.set(key, run)
    }
  }

  judgeGap(name, number, before) {
    const history = this.streams.get(name)
    const entry = history.entries.get(history.ids.get(number))
    const mayLack = entry?.mayGo || entry?.isGone || this.isFated(name, number)
    this.must(mayLack, `${name}: ${number} is missing before ${before}`)
  }

  /** Whether an entry is one that whoever gets it deletes. */
  isFated(name, number) {
    return name === 'jobs' && partsOf(number) !== null && fateOf(this.seed, number) === 'ack and delete'
  }

  /** Of what is there, or was known, a reader saw all between his first and his last. */
  judgeReaders(name, { readers, entries }) {
    for (const [reader, read] of readers) {
      const ids = new Set(read)
      for (const [id, { number, mayGo, isGone }] of entries) {
        const isBetween = compareIds(read[0], id) < 0 && compareIds(id, read.at(-1)) < 0
        const mayLack = mayGo || isGone || this.isFated(name, number)
        this.must(!isBetween || ids.has(id) || mayLack, `${name}: ${reader} passed over ${id} (${number})`)
      }
    }
  }

  /** A unit of commands happens as a whole. */
  judgeBoth() {
    const numbersOf = (name) => {
      const entries = [...this.streams.get(name).entries.values()].filter((entry) => !entry.isGone)
      return new Set(entries.map(({ number }) => number))
    }
    const [left, right] = [numbersOf('left'), numbersOf('right')]
    for (const number of left) this.must(right.has(number), `${number} is in left and not in right`)
    for (const number of right) this.must(left.has(number), `${number} is in right and not in left`)
  }

  judgeGroup({ pending, total, lastDeliveredId }) {
    const found = new Map(pending.map(([id, consumer, deliveries]) => [id, { consumer, deliveries }]))
    const isCounted = found.size === total && found.size === pending.length
    this.must(isCounted, `${GROUP}: ${found.size} are pending, and it says ${total}`)
    const isLast = compareIds(lastDeliveredId, this.lastDeliveredId) >= 0
    this.must(isLast, `${GROUP}: ${lastDeliveredId} was delivered last, and ${this.lastDeliveredId} was seen`)
    this.lastDeliveredId = lastDeliveredId
    for (const [id, message] of this.messages) {
      const one = found.get(id)
      if (one === undefined) {
        const mayGo = message.over !== null || !this.staysParked(message)
        this.must(mayGo, `${GROUP}: ${id} (${message.number}) is not pending any more`)
        message.over ??= this.life - 1
      } else {
        this.judgeMessage(id, message, one)
      }
    }
    const { entries } = this.streams.get('jobs')
    for (const [id, { consumer, deliveries }] of found) {
      this.must(compareIds(id, lastDeliveredId) <= 0, `${GROUP}: ${id} is pending and was not delivered`)
      const number = entries.get(id)?.number
      this.must(number !== undefined, `${GROUP}: ${id} is pending and was never there`)
      if (number === undefined) continue
      this.messages.set(id, { number, owner: consumer, deliveries, over: null, mayBeReleased: false })
    }
  }

  staysParked({ number, deliveries }) {
    return mustStay(this.seed, number, deliveries)
  }

  judgeMessage(id, { number, owner, deliveries, over, mayBeReleased }, one) {
    const what = `${GROUP}: ${id} (${number})`
    const fate = fateOf(this.seed, number)
    this.must(over === null, `${what} was acknowledged and is pending`)
    const isMore = one.deliveries >= deliveries
    this.must(isMore, `${what} was delivered ${one.deliveries} times, and ${deliveries} times before`)
    const isHandedOver = fate === 'hand over' && one.consumer === CONSUMERS[1]
    const mayBeAnybodys = fate === 'release' || owner === null || (one.consumer === null && mayBeReleased)
    const isOwner = one.consumer === owner || isHandedOver || mayBeAnybodys
    this.must(isOwner, `${what} is of ${one.consumer}, and was of ${owner}`)
  }

  /** Judges an opening that failed. Gives whether it is to be opened with the loss accepted. */
  judgeFailure({ name, message }) {
    // Who accepts a loss, and is killed before a witness is noted, leaves it to be told once more.
    const isLoss = name === 'DataLossError' && (this.wasMade || this.mayBeToldAgain)
    if (isLoss) {
      if (this.wasMade) {
        this.erasures++
        this.forget()
      }
      this.wasMade = false
      this.isLossNew = true
      this.mayBeToldAgain = true
      return true
    }
    this.violate(`it cannot be opened: ${name}: ${message}`)
    return false
  }

  /** An erasure that nobody was told of. */
  judgeMade() {
    this.must(!this.wasMade || this.isLossNew, 'the browser made the database anew, and nobody was told')
    this.wasMade = false
  }

  must(isSo, sentence) {
    if (!isSo) this.violate(sentence)
  }

  violate(sentence) {
    if (this.violations.length < VIOLATIONS_MAX) this.violations.push(sentence)
  }
}
