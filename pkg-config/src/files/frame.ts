// A frame: what stands in a file in front of each value, so that values are found again.
//
// *Layout*, lowest byte first; numbers of eight bytes are doubles, exact up to 2^53.
//
//     0  4  check of the 28 bytes behind it
//     4  4  what follows: 0 a head, 1 a manifest, 2 a chunk, 3 a part, 4 the end of a part
//     8  8  head: the salt; chunk: its sequence; part: its ID
//    16  8  how many bytes of this file were durable when it was written
//    24  4  length of the body
//    28  4  check of the body; 0 for a manifest and a chunk, which bring a better one along
//    32     the body
//
// *Why a salt.* A chunk may hold anything, the copy of such a file included. What is looked for behind damage must not be
// found in there, so a check begins with a number that only this file has.
//
// *Why not CRC-32.* Node has it from version 22 on, and its table would be a quarter of this code. The checks are for
// frames, which are short, and find accidents.

export const HEAD = 0
export const MANIFEST = 1
export const CHUNK = 2
export const PART = 3
export const PART_END = 4

export const FRAME_BYTES = 32

/** What a frame says. */
export interface Frame {
  kind_: number
  number_: number
  durable_: number
  length_: number
  check_: number
}

/** FNV-1a. */
function hash(bytes: Uint8Array, begin: number): number {
  let state = begin ^ 0x811c9dc5
  for (const byte of bytes) state = Math.imul(state ^ byte, 0x01000193)
  return state >>> 0
}

/** The check of a body. */
export function checkOf(kind: number, body: Uint8Array): number {
  return kind === CHUNK || kind === MANIFEST ? 0 : hash(body, 0)
}

/** A frame and its body. */
export function encode(kind: number, number: number, body: Uint8Array, salt: number, durable: number): Uint8Array {
  const bytes = new Uint8Array(FRAME_BYTES + body.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(4, kind, true)
  view.setFloat64(8, number, true)
  view.setFloat64(16, durable, true)
  view.setUint32(24, body.length, true)
  view.setUint32(28, checkOf(kind, body), true)
  view.setUint32(0, hash(bytes.subarray(4, FRAME_BYTES), salt), true)
  bytes.set(body, FRAME_BYTES)
  return bytes
}

/** The frame that these bytes begin with, or null if it is none. */
export function decode(bytes: Uint8Array, salt: number): Frame | null {
  if (bytes.length < FRAME_BYTES) return null
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  if (view.getUint32(0, true) !== hash(bytes.subarray(4, FRAME_BYTES), salt)) return null
  return {
    kind_: view.getUint32(4, true),
    number_: view.getFloat64(8, true),
    durable_: view.getFloat64(16, true),
    length_: view.getUint32(24, true),
    check_: view.getUint32(28, true),
  }
}
