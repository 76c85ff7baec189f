// Options: what is allowed, and the one sentence that tells what is not.
//
// *Design.* A table for each method says of which kind each option is. Options are read once, into an object of their own,
// so that a getter cannot answer differently the second time; and a name that is not in the table is refused, because it
// is a typing error.
//
// *Why not leave it to the types.* Half of the callers write JavaScript.

import type { Value } from '../types/index.js'

/** What an option may be: a sentence, and how it is checked. */
type Kind = readonly [sentence: string, isRight: (value: never) => boolean]

const kind = <T>(sentence: string, isRight: (value: T) => boolean): Kind => [sentence, isRight]

export const COUNT = kind<number>('a positive integer', (value) => Number.isSafeInteger(value) && value > 0)
export const SIZE = kind<number>('an integer, 0 or more', (value) => Number.isSafeInteger(value) && value >= 0)
export const FLAG = kind('true or false', (value) => typeof value === 'boolean')
export const TEXT = kind('a string', (value) => typeof value === 'string')
export const NAME = kind('a string or a Uint8Array', isName)
export const FUNCTION = kind('a function', (value) => typeof value === 'function')
export const OBJECT = kind('an object', (value) => typeof value === 'object' && value !== null)
export const SIGNAL = kind<AbortSignal>(
  'an AbortSignal',
  (value) => typeof value?.aborted === 'boolean' && typeof value.addEventListener === 'function',
)
export const REFS = oneOf('KEEPREF', 'DELREF', 'ACKED')
export const MODE = oneOf('SILENT', 'FAIL', 'FATAL')

/** One of some words. */
function oneOf(...words: string[]): Kind {
  return kind<string>(words.join(' or '), (value) => words.includes(value))
}

/** Bytes, whichever realm they come from. */
export function isBytes(value: unknown): value is Uint8Array {
  return ArrayBuffer.isView(value) && (value as Uint8Array)[Symbol.toStringTag] === 'Uint8Array'
}

export function isName(value: unknown): value is string | Uint8Array {
  return typeof value === 'string' || isBytes(value)
}

/** Refuses an argument. */
export function refuse(what: string, allowed: string, given: unknown): never {
  throw new TypeError(`${what} must be ${allowed}, not ${show(given)}`)
}

/** Checks one argument. */
export function checked<T>(what: string, [sentence, isRight]: Kind, value: T): T {
  if (!isRight(value as never)) refuse(what, sentence, value)
  return value
}

/** A name that is kept: nobody can change its bytes any more. */
export function keptName<T>(what: string, value: T): T {
  checked(what, NAME, value)
  return typeof value === 'string' ? value : ((value as Uint8Array).slice() as T)
}

/** Reads the options of a method. Those that are undefined are not given. */
export function read<O extends object>(
  method: string,
  table: { readonly [K in keyof O]-?: Kind },
  given: O | undefined,
): O {
  const options = {} as O
  if (given === undefined) return options
  checked(`${method}: the options`, OBJECT, given)
  for (const name of Object.keys(given) as (keyof O & string)[]) {
    const value = given[name]
    if (!Object.hasOwn(table, name)) {
      throw new TypeError(`${method}: there is no option ${name}; there is ${Object.keys(table).join(', ')}`)
    }
    if (value !== undefined) options[name] = checked(`${method}: ${name}`, table[name], value)
  }
  return options
}

/** A list of IDs, which may be given alone. */
export function idList(method: string, ids: string | readonly string[]): readonly string[] {
  const list = typeof ids === 'string' ? [ids] : ids
  if (!Array.isArray(list)) refuse(`${method}: ids`, 'a string or an array of strings', ids)
  return list.map((id) => checked(`${method}: an ID`, TEXT, id))
}

/** The words of an option that is given. */
export function push(words: Value[], name: string, value: Value | undefined): void {
  if (value !== undefined) words.push(name, value)
}

/** A value in a few words. */
function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}...` : value)
  if (typeof value === 'object' && value !== null) {
    return Array.isArray(value) ? 'an array' : `an object (${value.constructor?.name ?? 'without a prototype'})`
  }
  return typeof value === 'function' ? 'a function' : String(value)
}
