// What is going to be done, from a seed: lives, how each ends, and when.
//
// *Design.* Half of the kills, at least, are at events of the protocol: at random moments nearly every process stands
// where nothing can go wrong. What is near a snapshot and near large values comes more often than its share of the time.

import { Random } from './random.mjs'

/** Events in a page by what they are about, and at which time of their happening the page is killed at most. */
const PAGE_EVENTS = {
  opening: { 'opening placed': 1, 'opening abort': 1 },
  claim: { 'claim placing': 3, 'claim placed': 1, 'claim complete': 1, 'claim heard': 1 },
  healing: { 'heal placing': 80, 'heal placed': 6, 'heal complete': 6, 'heal heard': 6 },
  append: { 'append placing': 60, 'append placed': 30, 'append complete': 30, 'append heard': 30, acknowledged: 60 },
  big: { 'big append placing': 99, 'big append placed': 4, 'big append complete': 4, 'big append heard': 4 },
  told: { 'big acknowledged': 4 },
  parts: { 'parts placing': 30, 'parts placed': 5, 'parts complete': 5, 'parts heard': 5 },
  between: { 'listing placed': 2, 'listing complete': 2, 'listing heard': 2 },
  flip: { 'flip placing': 4, 'flip placed': 2, 'flip complete': 2, 'flip heard': 2 },
  cut: { 'cut placing': 4, 'cut placed': 2, 'cut complete': 2, 'cut heard': 2 },
  after: { 'tidying placed': 2, 'tidying complete': 2, 'witness placed': 2, 'witness complete': 2 },
}

/** The same for calls of node:fs. */
const FILE_EVENTS = {
  claim: { 'before openSync epoch': 1, 'after openSync epoch': 1 },
  append: { 'before writeSync log': 40, 'after writeSync log': 40, acknowledged: 60, 'big acknowledged': 4 },
  sync: { 'before fdatasync log': 2, 'after fdatasync log': 2 },
  witness: { 'before writeSync witness': 2, 'before renameSync witness': 2, 'after renameSync witness': 2 },
  names: { 'before fsync directory': 6, 'after fsync directory': 6 },
  part: { 'after openSync new part': 40, 'before writeSync new part': 40, 'after fdatasync new part': 40 },
  parts: { 'before renameSync part': 40, 'after renameSync part': 40 },
  segment: { 'after openSync new log': 3, 'before fdatasync new log': 3, 'after fdatasync new log': 3 },
  flip: { 'before renameSync log': 3, 'after renameSync log': 3 },
  after: { 'before unlinkSync log': 3, 'after unlinkSync log': 3 },
  tidying: { 'before unlinkSync part': 20, 'after unlinkSync part': 20 },
}

const EVENTS = { chromium: PAGE_EVENTS, node: FILE_EVENTS }

/** What happens when a database is closed. */
const CLOSING_EVENTS = {
  chromium: { closing: 1, 'witness placed': 3, 'witness complete': 3 },
  node: { closing: 1, 'before renameSync witness': 3, 'after renameSync witness': 3, 'after fdatasync log': 4 },
}

/** How many kills a database lives through. */
const KILLS_OF_DATABASE = 10
/** Two of five kills are at random moments. */
const isAtRandom = (count) => (count % 5) % 2 === 1
const RENDERER_SHARE = 0.3
const CLOSE_SHARE = 0.12
const CLOSING_SHARE = 0.1

/** From when it is loaded. */
const RANDOM_MS_MAX = { chromium: 3000, node: 1200 }
const CLOSE_MS_MAX = { chromium: 1500, node: 600 }
const FSYNCS = ['everysec', 'always', 'no']

/** Databases, each with the ends of its lives; so many kills in all. */
export function planOf(kind, { seed, kills, fsync }) {
  const databases = []
  for (let left = kills, at = 0; left > 0; left -= KILLS_OF_DATABASE, at++) {
    const name = `${kind}-${at}`
    const own = `${seed} ${name}`
    const ends = endsOf(kind, new Random(own), Math.min(left, KILLS_OF_DATABASE))
    databases.push({ kind, name, seed: own, fsync: fsync ?? FSYNCS[at % FSYNCS.length], ends, bug: null })
  }
  return databases
}

function endsOf(kind, random, kills) {
  const ends = []
  for (let count = 0; count < kills; count++) {
    if (count > 0 && random.chance(CLOSE_SHARE)) ends.push({ how: 'close', ms: random.between(0, CLOSE_MS_MAX[kind]) })
    const last = ends.at(-1)
    const isFirst = count === 0 || last.how === 'close' || last.closes !== undefined
    const how = kind === 'node' ? 'process' : random.chance(RENDERER_SHARE) ? 'renderer' : 'browser'
    const ms = random.between(0, RANDOM_MS_MAX[kind])
    if (isAtRandom(count)) ends.push({ how, trigger: null, ms })
    else if (random.chance(CLOSING_SHARE)) ends.push(atClosing(kind, random))
    else ends.push({ how, trigger: triggerOf(kind, random, isFirst), ms: null })
  }
  return ends
}

/** A kill while the database is being closed. If the event does not come any more, it was closed. */
function atClosing(kind, random) {
  const [event, most] = random.of(Object.entries(CLOSING_EVENTS[kind]))
  const how = kind === 'node' ? 'process' : 'browser'
  return { how, trigger: { event, times: random.between(1, most) }, ms: null, closes: random.between(0, CLOSE_MS_MAX[kind]) }
}

/** An event to be killed at. There is nothing to heal where there was no kill. */
function triggerOf(kind, random, isFirst) {
  const groups = Object.keys(EVENTS[kind]).filter((group) => !isFirst || group !== 'healing')
  const [event, most] = random.of(Object.entries(EVENTS[kind][random.of(groups)]))
  return { event, times: random.between(1, most) }
}

/** What a profile keeps, besides all else. */
const DATABASES = 'Default/IndexedDB'
const FILES = 'Default/File System'

/** Databases that are erased behind the browser's back: with a witness that is told, without one it must be noticed here. */
export function erasuresOf(kind, { seed, fsync = 'everysec' }) {
  if (kind === 'node') return []
  const databases = { 'an erasure is told': [DATABASES], 'an erasure without a witness': [DATABASES, FILES] }
  return Object.entries(databases).map(([bug, erases]) => {
    const name = `${kind}-${bug.replaceAll(' ', '-')}`
    const kill = { how: 'browser', trigger: null, ms: CLOSE_MS_MAX[kind] }
    const ends = [{ how: 'close', ms: 0 }, { ...kill, erases }, kill, kill]
    return { kind, name, seed: `${seed} ${name}`, fsync, ends, bug: null, isTold: erases.length === 1, title: bug }
  })
}

/** At which events kills notice a planted bug. They are among those of every plan. */
const PROOFS = {
  chromium: {
    'acknowledges early': { 'big acknowledged': 3, 'big append heard': 3 },
    'truncates early': { 'cut placed': 2, 'cut complete': 2, 'cut heard': 2 },
  },
  node: {
    'acknowledges early': { 'big acknowledged': 3, 'after writeSync log': 40 },
    'truncates early': { 'before renameSync log': 4, 'after unlinkSync log': 4 },
  },
}

/** A database for each planted bug, with as many kills as it may take to notice it. */
export function proofsOf(kind, { seed, fsync }, killsMax) {
  return Object.entries(PROOFS[kind]).map(([bug, events]) => {
    const random = new Random(`${seed} ${kind} ${bug}`)
    const ends = Array.from({ length: killsMax }, () => {
      const [event, most] = random.of(Object.entries(events))
      const trigger = { event, times: random.between(1, most) }
      return { how: kind === 'node' ? 'process' : 'browser', trigger, ms: null }
    })
    const name = `${kind}-${bug.replaceAll(' ', '-')}`
    return { kind, name, seed: `${seed} ${name}`, fsync: fsync ?? 'everysec', ends, bug }
  })
}
