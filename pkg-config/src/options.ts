// Arguments and options: what is allowed, and the one sentence that tells what is not.
//
// *Design.* A name means the same everywhere, so one table says what may be called so, and a method only lists the
// options that it has. Options are read once, into an object of their own, so that a getter cannot answer differently
// the second time; and a name that is not in the list is refused, because it is a typing error.
//
// *Why not leave it to the types.* Half of the callers write JavaScript.

import type { Name, Value } from '../types/index.js'
import type { IndexedDbStorage } from '../types/indexeddb.js'
import type { Storage } from '../types/storage.js'

/** Of which kind what is called so must be: a sentence, its `typeof` or how it is checked, the names. */
const KINDS: [sentence: string, isRight: string | ((value: never) => boolean), names: string][] = [
  ['a positive integer', (value: number) => isSize(value) && value > 0, 'count'],
  [
    'an integer, 0 or more',
    isSize,
    'block claimIdle entriesAdded entriesRead idempotentEntriesMax idempotentSeconds idle limit maxLen ' +
      'memoryBytesMax minIdle nodeBytesMax nodeEntriesMax replyBytesMax retryCount time',
  ],
  ['true or false', 'boolean', 'approx force full justId mkStream noAck noMkStream readOnly replace reverse steal'],
  ['a string', 'string', 'after from id ifLastId lastId maxDeletedId minId start to'],
  ['a string or a Uint8Array', isName, 'command consumer idempotentId name producer'],
  ['an object', isObject, 'idempotent options'],
  ['iterable', (value) => isObject(value) && Symbol.iterator in value, 'commands rows sources'],
  ['a stream or its name', (value: { name?: unknown }) => isName(value?.name ?? value), 'stream'],
  ['a function', 'function', 'clock'],
  ['an AbortSignal', (value: AbortSignal) => typeof value?.throwIfAborted === 'function', 'signal'],
  ['KEEPREF, DELREF or ACKED', (value) => /^(KEEPREF|DELREF|ACKED)$/.test(value), 'refs'],
  ['applied, written or durable', (value) => /^(applied|written|durable)$/.test(value), 'durability'],
  ['always, everysec or no', (value) => /^(always|everysec|no)$/.test(value), 'fsync'],
  ['refuse or salvage', (value) => /^(refuse|salvage)$/.test(value), 'onCorruption'],
  ['refuse or accept', (value) => /^(refuse|accept)$/.test(value), 'onDataLoss'],
  ['true, false or milliseconds', (value) => typeof value === 'boolean' || value >= 0, 'wait'],
  [
    'a storage',
    (value: Partial<Storage & IndexedDbStorage>) => isName(value?.indexedDb) || typeof value?.open === 'function',
    'storage',
  ],
  ['SILENT, FAIL or FATAL', (value) => /^(SILENT|FAIL|FATAL)$/.test(value), 'mode'],
]

const KIND_OF = new Map(KINDS.flatMap((kind) => kind[2].split(' ').map((name) => [name, kind])))

/** Bytes, whichever realm they come from. */
export function isBytes(value: unknown): value is Uint8Array {
  return ArrayBuffer.isView(value) && (value as Uint8Array)[Symbol.toStringTag] === 'Uint8Array'
}

export function isName(value: unknown): value is Name {
  return typeof value === 'string' || isBytes(value)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function isSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

/** Refuses an argument. */
export function refuse(what: string, allowed: string, given: unknown): never {
  throw new TypeError(`${what} must be ${allowed}, not ${show(given)}`)
}

/** Checks what is called so. */
export function checked<T>(name: string, value: T): T {
  const [sentence, isRight] = KIND_OF.get(name)!
  if (typeof isRight === 'string' ? typeof value !== isRight : !isRight(value as never)) refuse(name, sentence, value)
  return value
}

/** Checks a name that is kept: nobody can change its bytes any more. */
export function kept<T>(name: string, value: T): T {
  checked(name, value)
  return isBytes(value) ? (value.slice() as T) : value
}

/** Reads options, in the order of their list. Those that are undefined are not given. */
export function read<O extends object>(list: string, given: O | undefined): O {
  const options = {} as O
  if (given === undefined) return options
  const names = list.split(' ')
  for (const name of Object.keys(checked('options', given))) {
    if (!names.includes(name)) throw new TypeError(`there is no option ${name}, but there is ${names.join(', ')}`)
  }
  for (const name of names as (keyof O & string)[]) {
    const value = given[name]
    if (value !== undefined) options[name] = checked(name, value)
  }
  return options
}

/** Options as words, where each is called as in Redis: `{ idle: 5, force: true }` is `IDLE 5 FORCE`. */
export function spell(options: object): Value[] {
  const words: Value[] = []
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined && value !== false) words.push(name.toUpperCase())
    if (value !== undefined && typeof value !== 'boolean') words.push(value)
  }
  return words
}

/** A list of IDs, which may be given alone. */
export function idList(ids: string | readonly string[]): readonly string[] {
  const list = typeof ids === 'string' ? [ids] : ids
  if (!Array.isArray(list)) refuse('ids', 'a string or an array of strings', ids)
  return list.map((id) => checked('id', id))
}

/** A value in a few words. */
function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 40))
  return isObject(value) ? Object.prototype.toString.call(value) : String(value).slice(0, 40)
}
