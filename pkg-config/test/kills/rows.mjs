// What is added: rows whose fields follow from a number, so that whoever finds one can tell whether it is whole.
//
// *Design.* A number is `life/producer/count`. The producer says into which stream the row goes and how large it is; seed
// and number give every byte. An entry that was found is true if its fields are those of its number. So nobody has to
// remember what was written, and what a killed page never told of can be judged all the same.
//
// What becomes of a message follows from its number as well, see [fateOf]. So what was done and not told is known, too.

import { hashOf, Random } from './random.mjs'

/** Which producers there are, into which streams they add, and whether their values are large. */
export const PRODUCERS = {
  one: { streams: ['log'] },
  many: { streams: ['log'] },
  big: { streams: ['log'], isBig: true },
  job: { streams: ['jobs'] },
  bigjob: { streams: ['jobs'], isBig: true },
  both: { streams: ['left', 'right'] },
  once: { streams: ['once'] },
}

export const STREAMS = ['log', 'jobs', 'left', 'right', 'once']
export const GROUP = 'workers'
export const CONSUMERS = ['a', 'b']
export const COUNTER = 'counter'
/** The stream that is trimmed. */
export const TRIMMED = 'log'

const MIB = 1 << 20
/** How long a large value is. */
const BIG_BYTES_MIN = MIB
const BIG_BYTES_MAX = 4 * MIB
const SMALL_BYTES_MAX = 400

/** From how many deliveries on a message is acknowledged, whatever its fate. */
const DELIVERIES_MAX = 6
const DELIVERIES_OF_LIFE = 3
const FATES = ['ack', 'ack', 'ack', 'ack', 'release', 'park', 'hand over', 'ack and delete']

/** The parts of a number; null if it is none. */
export function partsOf(number) {
  const [life, producer, count, ...more] = String(number).split('/')
  const isNumber = /^\d+$/.test(life) && /^\d+$/.test(count) && more.length === 0 && Object.hasOwn(PRODUCERS, producer)
  return isNumber ? { life: Number(life), producer, count: Number(count) } : null
}

/** The names and values of a row, in order. A name comes twice, and one is empty. */
export function rowOf(seed, number) {
  const random = new Random(`${seed} row ${number}`)
  const { isBig } = PRODUCERS[partsOf(number).producer]
  const bytes = isBig ? random.between(BIG_BYTES_MIN, BIG_BYTES_MAX) : random.between(0, SMALL_BYTES_MAX)
  return [
    ['number', number],
    ['text', `${random.between(0, 1e9)}`],
    ['text', 'é\u0000∀ '.repeat(random.between(0, 20))],
    ['', ''],
    ['value', valueOf(random, bytes)],
  ]
}

/** So many bytes that cannot be compressed, and are no text. */
function valueOf(random, length) {
  const words = new Uint32Array(Math.ceil(length / 4))
  let state = random.between(1, 2 ** 32 - 1)
  for (let at = 0; at < words.length; at++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[at] = state
  }
  const bytes = new Uint8Array(words.buffer, 0, length)
  if (length > 0) bytes[0] = 0xff
  return bytes
}

const encoder = new TextEncoder()

/** A short text that stands for pairs of names and values. */
export function digestOf(pairs) {
  let [one, other] = [0x811c9dc5, 0x9e3779b9]
  const mix = (byte) => {
    one = Math.imul(one ^ byte, 0x01000193)
    other = Math.imul(other ^ byte, 0x85ebca6b)
    other ^= other >>> 13
  }
  let count = 0
  for (const words of pairs) {
    count++
    for (const word of words) {
      const bytes = typeof word === 'string' ? encoder.encode(word) : word
      for (let length = bytes.length; length > 0; length >>>= 8) mix(length & 0xff)
      mix(0x2c)
      for (let at = 0; at < bytes.length; at++) mix(bytes[at])
    }
  }
  return `${count}-${(one >>> 0).toString(16)}-${(other >>> 0).toString(16)}`
}

/** What becomes of a message. Large ones do not stay. */
export function fateOf(seed, number) {
  if (PRODUCERS[partsOf(number).producer].isBig) return 'ack and delete'
  return FATES[hashOf(`${seed} fate ${number}`) % FATES.length]
}

/** What a consumer does with a message that was delivered so often. */
export function deedOf(seed, number, consumer, deliveries) {
  const fate = fateOf(seed, number)
  if (fate === 'ack and delete') return fate
  if (deliveries >= DELIVERIES_MAX) return 'ack'
  if (fate === 'release') return deliveries > 1 ? 'ack' : fate
  if (fate === 'hand over') return consumer === CONSUMERS[0] ? fate : 'park'
  return fate
}

/**
 * Whether a message that was known to be delivered so often has to be pending still. In a life it is delivered three times
 * at most: to whoever had it, to whom he hands it over, and to him again if he still looks through what he had.
 */
export function mustStay(seed, number, deliveries) {
  const fate = fateOf(seed, number)
  return (fate === 'park' || fate === 'hand over') && deliveries + DELIVERIES_OF_LIFE < DELIVERIES_MAX
}

/** Compares two IDs. */
export function compareIds(one, other) {
  const [oneMs, oneSequence] = one.split('-').map(BigInt)
  const [otherMs, otherSequence] = other.split('-').map(BigInt)
  if (oneMs !== otherMs) return oneMs < otherMs ? -1 : 1
  return oneSequence === otherSequence ? 0 : oneSequence < otherSequence ? -1 : 1
}
