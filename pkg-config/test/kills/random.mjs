// Random numbers that a seed repeats, in Node and in pages alike.

/** A number below 2^32 that a text stands for. */
export function hashOf(text) {
  let state = 0x811c9dc5
  for (let at = 0; at < text.length; at++) state = Math.imul(state ^ text.charCodeAt(at), 0x01000193)
  state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d)
  state = Math.imul(state ^ (state >>> 12), 0x297a2d39)
  return (state ^ (state >>> 15)) >>> 0
}

/** Random numbers, the same for the same text. */
export class Random {
  constructor(text) {
    this.state = hashOf(text)
  }

  /** A number from 0 to below 1. */
  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.state ^ (this.state >>> 15), this.state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number from the first to the last. */
  between(first, last) {
    return first + Math.floor(this.next() * (last - first + 1))
  }

  /** One of a list. */
  of(list) {
    return list[this.between(0, list.length - 1)]
  }

  /** Whether something happens that happens so often. */
  chance(share) {
    return this.next() < share
  }
}
