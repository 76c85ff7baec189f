// Entries: ordered multimaps of bytes.
//
// *Design.* An entry is its ID and one flat list of names and values. It copies nothing, and looks a name up by walking the
// list: entries have few fields. It has no fields of its own that an entry's names could hide.
//
// *Why not an object with the fields as properties.* `__proto__` would be lost, names that look like integers would change
// their place, and of two fields of one name one would be gone.

import type { Name, Value } from '../types/index.js'
import { NAME, checked, isBytes, refuse } from './options.js'
import type { Reader } from './reply.js'
import { VALUES } from './request.js'

type Text = string | Uint8Array

const encoder = new TextEncoder()

/** An entry. */
export class Entry {
  readonly id: string
  flat_: readonly Text[]

  constructor(id: string, flat: readonly Text[]) {
    this.id = id
    this.flat_ = flat
  }

  get pairs(): [Text, Text][] {
    return [...this]
  }

  get(name: string): Text | undefined {
    const { flat_ } = this
    for (let place = 0; place < flat_.length; place += 2) {
      if (flat_[place] === name) return flat_[place + 1]
    }
    return undefined
  }

  getAll(name: string): Text[] {
    return this.flat_.filter((_, place) => place % 2 === 1 && this.flat_[place - 1] === name)
  }

  bytes(name: Name): Uint8Array | undefined {
    checked('bytes: the name', NAME, name)
    const { flat_ } = this
    for (let place = 0; place < flat_.length; place += 2) {
      if (isSame(flat_[place]!, name)) return toBytes(flat_[place + 1]!)
    }
    return undefined
  }

  toObject(): Record<string, Text> {
    const object = Object.create(null) as Record<string, Text>
    // Defining is not assigning: without a prototype even `__proto__` is a name like any other.
    for (const [name, value] of this) object[name as string] = value
    return object
  }

  *[Symbol.iterator](): Generator<[Text, Text], undefined> {
    const { flat_ } = this
    for (let place = 0; place < flat_.length; place += 2) yield [flat_[place]!, flat_[place + 1]!]
    return undefined
  }
}

/** Whether two names are the same, each as text or as bytes. */
export function isSame(one: Text, other: Text): boolean {
  if (typeof one === 'string' && typeof other === 'string') return one === other
  const [left, right] = [toBytes(one), toBytes(other)]
  return left.length === right.length && left.every((byte, place) => byte === right[place])
}

function toBytes(text: Text): Uint8Array {
  return typeof text === 'string' ? encoder.encode(text) : text.slice()
}

/** Reads an entry; null if there is none. */
export function readEntry(reader: Reader): Entry | null {
  if (reader.array_() < 0) return null
  return new Entry(reader.id_()!, reader.fields_()!)
}

/** Reads an array of entries. */
export function readEntries(reader: Reader): Entry[] {
  const entries = []
  for (let left = reader.array_(); left > 0; left--) entries.push(readEntry(reader)!)
  return entries
}

/** Adds the fields of an entry to a command. */
export function pushFields(words: Value[], method: string, fields: unknown): void {
  const before = words.length
  if (typeof fields !== 'object' || fields === null) {
    refuse(`${method}: fields`, 'an object or pairs', fields)
  } else if (fields instanceof Entry) {
    for (const text of fields.flat_) words.push(text)
  } else if (Symbol.iterator in fields) {
    for (const pair of fields as Iterable<unknown>) {
      if (!Array.isArray(pair) || pair.length !== 2) refuse(`${method}: a field`, 'a pair of name and value', pair)
      pushField(words, method, pair[0], pair[1])
    }
  } else {
    for (const name of Object.keys(fields)) {
      const value = (fields as Record<string, unknown>)[name]
      if (value !== undefined) pushField(words, method, name, value)
    }
  }
  if (words.length === before) refuse(`${method}: fields`, 'at least one', fields)
}

function pushField(words: Value[], method: string, name: unknown, value: unknown): void {
  if (typeof value !== 'string' && !isValue(value)) refuse(`${method}: the value of ${String(name)}`, VALUES, value)
  words.push(name as Value, value as Value)
}

function isValue(value: unknown): boolean {
  return typeof value === 'bigint' || (typeof value === 'number' && Number.isFinite(value)) || isBytes(value)
}
