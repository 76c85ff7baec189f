// What is made of replies by more than one method.

import type { Deletion, PendingMessage } from '../types/index.js'
import type { Reader } from './reply.js'

/** Nothing comes behind this ID, and to ask for it is an error. */
export const ID_MAX = '18446744073709551615-18446744073709551615'

export const nothing = (): void => {}
export const readInteger = (reader: Reader): number => reader.integer_()
export const readFlag = (reader: Reader): boolean => reader.integer_() > 0
export const readId = (reader: Reader): string | null => reader.id_()
export const readPlain = <T>(reader: Reader): T => reader.plain_() as T

/** Reads an array. */
export function readList<T>(reader: Reader, one: (reader: Reader) => T): T[] {
  const list = []
  for (let left = reader.array_(); left > 0; left--) list.push(one(reader))
  return list
}

export const readIds = (reader: Reader): string[] => readList(reader, (reader) => reader.id_()!)

/** What became of entries. */
export const readDeletions = (reader: Reader): Deletion[] =>
  readList(reader, (reader) => (({ [-1]: 'missing', 1: 'deleted', 2: 'referenced' }) as const)[reader.integer_()]!)

/** How often a message was delivered. After a release as FATAL it is the largest number that there is. */
export function deliveries(value: unknown): number {
  return typeof value === 'bigint' ? Infinity : (value as number)
}

/** The long form of XPENDING. */
export const readPending = (reader: Reader): PendingMessage[] =>
  readList(reader, (reader) => {
    reader.array_()
    const [id, name, idle] = [reader.id_()!, reader.text_(), reader.integer_()]
    const isOwned = idle >= 0
    return {
      id,
      consumer: isOwned ? name : null,
      idle: isOwned ? idle : null,
      deliveries: deliveries(reader.value_()),
    }
  })

/** Runs what nobody has called: if the engine fails, everybody who waits is told by that, and whoever calls next. */
export function quietly(run: () => void): void {
  try {
    run()
  } catch {}
}

/** A promise that nobody has to look at: its failure is told to whoever does. */
export function unawaited<T>(promise: Promise<T>): Promise<T> {
  promise.catch(nothing)
  return promise
}
