// Requests: words as the door reads them. wasm/src/request.rs has the encoding.
//
// *Design.* The words of a command are first measured and checked, and then written in one go: no code of the caller
// runs in between. Text of ASCII is written character by character, which for short words beats the platform's
// encoder by half; everything else is encoded by the platform.
//
// *Why not write while the caller's objects are read.* A getter may call the database again, and that request would be
// written over this one.

import type { Value } from '../types/index.js'
import { isBytes, isName, refuse } from './options.js'

/** A command: its words. */
export type Words = readonly Value[]

/** A length of this or more takes five bytes. */
const LONG = 255
export const LENGTH_BYTES = 5
/** A character of UTF-16 takes at most so many bytes in UTF-8. */
const CHARACTER_BYTES_MAX = 3

const encoder = new TextEncoder()

/** Bytes that are enough for a command. Throws a TypeError if one of its words cannot be sent. */
export function measure(words: Words): number {
  let bytes = 0
  for (let place = 0; place < words.length; place++) {
    const word = words[place]!
    if (typeof word === 'string') bytes += word.length * CHARACTER_BYTES_MAX + LENGTH_BYTES
    else bytes += measureOther(words, place, word)
  }
  return bytes
}

/** Writes a command, and returns where it ends. */
export function write(bytes: Uint8Array, start: number, words: Words): number {
  let at = start
  for (let place = 0; place < words.length; place++) {
    const word = words[place]!
    at = typeof word === 'string' ? writeText(bytes, at, word) : writeOther(bytes, at, word)
  }
  return at
}

function measureOther(words: Words, place: number, word: unknown): number {
  if (!isValue(word)) refuse(`word ${place} of ${words[0]}`, VALUES, word)
  return (isBytes(word) ? word : String(word)).length + LENGTH_BYTES
}

/** What a word may be. */
export const VALUES = 'a string, a finite number, a bigint or a Uint8Array'

/** Whether it may be a word. */
export function isValue(value: unknown): value is Value {
  return isName(value) || typeof value === 'bigint' || Number.isFinite(value)
}

function writeOther(bytes: Uint8Array, at: number, word: Value): number {
  if (typeof word !== 'object') return writeText(bytes, at, String(word))
  const start = writeLength(bytes, at, word.length)
  bytes.set(word, start)
  return start + word.length
}

function writeText(bytes: Uint8Array, at: number, text: string): number {
  const { length } = text
  if (length < LONG) {
    let place = 0
    for (; place < length; place++) {
      const code = text.charCodeAt(place)
      if (code > 127) break
      bytes[at + 1 + place] = code
    }
    if (place === length) {
      bytes[at] = length
      return at + 1 + length
    }
  }
  // A surrogate without its other half would become U+FFFD, and two texts the same name.
  if (/\p{Surrogate}/u.test(text)) refuse('a text', 'well-formed', text)
  const start = at + LENGTH_BYTES
  const { written } = encoder.encodeInto(text, bytes.subarray(start))
  writeLength(bytes, at, written)
  return start + written
}

/** Writes a length, or the number of words of a command in a batch. */
export function writeLength(bytes: Uint8Array, at: number, length: number): number {
  bytes[at] = LONG
  bytes[at + 1] = length
  bytes[at + 2] = length >>> 8
  bytes[at + 3] = length >>> 16
  bytes[at + 4] = length >>> 24
  return at + LENGTH_BYTES
}
