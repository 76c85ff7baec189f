// Entries: ordered multimaps of bytes.
//
// *Design.* An entry is its ID and one flat list of names and values. It copies nothing, and looks a name up by
// walking the list: entries have few fields. It has no fields of its own that an entry's names could hide. Its list
// is public, so that who prints, clones or compares entries, or writes them as JSON, has all of it.
//
// *Why not an object with the fields as properties.* `__proto__` would be lost, names that look like integers would
// change their place, and of two fields of one name one would be gone.

import type { Name, Value } from '../types/index.js'
import { checked, refuse } from './options.js'
import type { Reader } from './reply.js'
import { VALUES, isValue } from './request.js'
import { readList } from './shapes.js'

type Text = string | Uint8Array

const encoder = new TextEncoder()

/** An entry. */
export class Entry {
  readonly id: string
  readonly flat: readonly Text[]

  constructor(id: string, flat: readonly Text[]) {
    this.id = id
    this.flat = flat
  }

  get pairs(): [Text, Text][] {
    const { flat } = this
    const pairs: [Text, Text][] = []
    for (let place = 0; place < flat.length; place += 2) pairs.push([flat[place]!, flat[place + 1]!])
    return pairs
  }

  get(name: string): Text | undefined {
    const { flat } = this
    for (let place = 0; place < flat.length; place += 2) {
      if (flat[place] === name) return flat[place + 1]
    }
    return undefined
  }

  getAll(name: string): Text[] {
    return this.flat.filter((_, place) => place % 2 === 1 && this.flat[place - 1] === name)
  }

  bytes(name: Name): Uint8Array | undefined {
    checked('name', name)
    for (const [other, value] of this) if (isSame(other, name)) return toBytes(value)
    return undefined
  }

  toObject(): Record<string, Text> {
    const object = Object.create(null) as Record<string, Text>
    // Defining is not assigning: without a prototype even `__proto__` is a name like any other.
    for (const [name, value] of this) object[name as string] = value
    return object
  }

  [Symbol.iterator](): IterableIterator<[Text, Text]> {
    return this.pairs.values()
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

function readEntry(reader: Reader): Entry {
  reader.array_()
  return new Entry(reader.id_()!, reader.fields_()!)
}

/** Reads an array of entries. */
export function readEntries(reader: Reader): Entry[] {
  return readList(reader, readEntry)
}

/** Puts the fields of an entry behind the first words of a command; what stood there before is gone. */
export function putFields(words: Value[], start: number, fields: unknown): void {
  let at = start
  const put = (name: unknown, value: unknown) => {
    if (!isValue(value)) refuse(`the value of ${String(name)}`, VALUES, value)
    words[at++] = name as Value
    words[at++] = value
  }
  if (typeof fields !== 'object' || fields === null) {
    refuse('fields', 'an object or pairs', fields)
  } else if (Symbol.iterator in fields) {
    for (const pair of fields as Iterable<unknown>) {
      if (!Array.isArray(pair) || pair.length !== 2) refuse('a field', 'a pair of name and value', pair)
      put(pair[0], pair[1])
    }
  } else {
    for (const name of Object.keys(fields)) {
      const value = (fields as Record<string, unknown>)[name]
      if (value !== undefined) put(name, value)
    }
  }
  if (at === start) refuse('fields', 'at least one', fields)
  if (words.length > at) words.length = at
}
