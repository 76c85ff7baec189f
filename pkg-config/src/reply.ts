// Replies: values from what the engine wrote. src/reply.rs of the engine has the encoding.
//
// *Design.* A reader walks the heads. If all text of a reply is ASCII, it is decoded once and each value is a part of
// it; otherwise each value is decoded by itself, and one that is not valid UTF-8 becomes bytes. What is handed out is
// always a copy: the memory underneath is written over by the next call.
//
// *Why not decode when a field is asked for.* It gains a third at most, and every entry would keep its whole page
// alive.
//
// *Invariant.* A reader is used between a call and the next one, and no code of the caller runs meanwhile.

import type { MultiReply } from '../types/index.js'
import { replyError } from './errors.js'

// Places in the answer; wasm/src/answer.rs has the layout.
const WORDS = 0
const TEXT = 2
const TEXT_BYTES = 3
const IS_ASCII = 4

// Kinds of values.
const SIMPLE = 0
const ERROR = 1
const INTEGER = 2
const BULK = 3
const ID = 4
const ARRAY = 7
const MAP = 8
const PAIRS = 9

/** Text up to so many bytes is put together here: to call the decoder takes longer. */
const SHORT_BYTES = 24

const TWO_TO_32 = 2 ** 32
/** The high half of the first number that is not exact any more. */
const INEXACT_HIGH = 2 ** 21

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Reads a reply. */
export class Reader {
  words_!: Uint32Array
  bytes_!: Uint8Array
  at_ = 0
  /** Where the next text lies. */
  textAt_ = 0
  /** All text, if it is ASCII; and where the next part lies in it. */
  ascii_: string | undefined
  asciiAt_ = 0
  /** The milliseconds of the last ID: those of the next one are often the same. */
  low_ = 0
  high_ = 0
  ms_ = '0'

  /** Begins with the reply of which an answer tells. */
  begin_(words: Uint32Array, bytes: Uint8Array, answer: number): void {
    this.words_ = words
    this.bytes_ = bytes
    this.at_ = words[answer + WORDS]! >>> 2
    this.textAt_ = words[answer + TEXT]!
    this.asciiAt_ = 0
    const isAscii = words[answer + IS_ASCII] === 1
    this.ascii_ = isAscii ? asciiText(bytes, this.textAt_, words[answer + TEXT_BYTES]!) : undefined
  }

  /** Throws if the reply is an error. */
  check_(): void {
    const head = this.words_[this.at_]!
    if ((head & 15) === ERROR) throw this.value_()
  }

  /** The number of values in the array that begins here; -1 if there is none. */
  array_(): number {
    const head = this.words_[this.at_++]!
    const kind = head & 15
    return kind === ARRAY || kind === MAP || kind === PAIRS ? head >>> 4 : -1
  }

  /** A number. */
  integer_(): number {
    return Number(this.value_())
  }

  /** A name: text, or bytes that are no text. */
  text_(): string | Uint8Array {
    return this.take_(this.words_[this.at_++]! >>> 4)
  }

  /** An ID as text, or null. */
  id_(): string | null {
    const words = this.words_
    const at = this.at_
    if ((words[at]! & 15) !== ID) return this.value_() as string | null
    this.at_ = at + 5
    const low = words[at + 1]!
    const high = words[at + 2]!
    if (low !== this.low_ || high !== this.high_) {
      this.low_ = low
      this.high_ = high
      this.ms_ = whole(low, high)
    }
    return `${this.ms_}-${whole(words[at + 3]!, words[at + 4]!)}`
  }

  /** The names and values of an entry, or undefined if it is gone. */
  fields_(): (string | Uint8Array)[] | undefined {
    const count = this.array_()
    if (count < 0) return undefined
    const fields = new Array<string | Uint8Array>(count)
    const { words_, ascii_ } = this
    let at = this.at_
    if (ascii_ !== undefined) {
      let start = this.asciiAt_
      for (let place = 0; place < count; place++) {
        const end = start + (words_[at++]! >>> 4)
        fields[place] = ascii_.substring(start, end)
        start = end
      }
      this.asciiAt_ = start
    } else {
      for (let place = 0; place < count; place++) fields[place] = this.take_(words_[at++]! >>> 4)
    }
    this.at_ = at
    return fields
  }

  /** Any value, as RESP2 has it: maps are flat. */
  value_(): MultiReply {
    const head = this.words_[this.at_]!
    const length = head >>> 4
    switch (head & 15) {
      case ID:
        return this.id_()
      case INTEGER:
        return this.number_()
      case ERROR:
        this.at_++
        return replyError(this.lossy_(length))
      case SIMPLE:
      case BULK:
        this.at_++
        return this.take_(length)
      case ARRAY:
        this.at_++
        return this.values_(length)
      case MAP:
        this.at_++
        return this.values_(length * 2)
      case PAIRS: {
        this.at_++
        const pairs = []
        for (let place = 0; place < length; place++) pairs.push(this.values_(2))
        return pairs as MultiReply
      }
      default:
        this.at_++
        return null
    }
  }

  /** Any value, with maps as objects whose names are written as in JavaScript. */
  plain_(): unknown {
    const head = this.words_[this.at_]!
    const kind = head & 15
    if (kind !== MAP && kind !== ARRAY) return this.value_()
    this.at_++
    if (kind === ARRAY) {
      const values = []
      for (let place = head >>> 4; place > 0; place--) values.push(this.plain_())
      return values
    }
    const object: Record<string, unknown> = {}
    for (let place = head >>> 4; place > 0; place--) {
      const name = (this.text_() as string).replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())
      object[name] = this.plain_()
    }
    return object
  }

  values_(count: number): MultiReply {
    const values = []
    for (let place = 0; place < count; place++) values.push(this.value_())
    return values as MultiReply
  }

  number_(): number | bigint {
    const low = this.words_[this.at_ + 1]!
    const high = this.words_[this.at_ + 2]! | 0
    this.at_ += 3
    if (high < INEXACT_HIGH && high >= -INEXACT_HIGH) return high * TWO_TO_32 + low
    return (BigInt(high) << 32n) | BigInt(low)
  }

  /** Text whatever its bytes are, for messages. */
  lossy_(length: number): string {
    const text = this.take_(length)
    return typeof text === 'string' ? text : new TextDecoder().decode(text)
  }

  take_(length: number): string | Uint8Array {
    if (this.ascii_ !== undefined) {
      const start = this.asciiAt_
      this.asciiAt_ += length
      return this.ascii_.substring(start, start + length)
    }
    const start = this.textAt_
    this.textAt_ += length
    const bytes = this.bytes_.subarray(start, this.textAt_)
    try {
      return decoder.decode(bytes)
    } catch {
      return bytes.slice()
    }
  }
}


function asciiText(bytes: Uint8Array, start: number, length: number): string {
  if (length > SHORT_BYTES) return decoder.decode(bytes.subarray(start, start + length))
  let text = ''
  for (let at = start; at < start + length; at++) text += String.fromCharCode(bytes[at]!)
  return text
}

/** A number of 64 bits without a sign, as text. */
function whole(low: number, high: number): string {
  if (high === 0) return String(low)
  if (high < INEXACT_HIGH) return String(high * TWO_TO_32 + low)
  return String((BigInt(high) << 32n) | BigInt(low))
}
