// The shapes of replies that several methods share.

import type { Deletion } from '../types/index.js'
import type { Reader } from './reply.js'

/** Small decoders. */
export const decode = {
  nothing: (): void => {},
  integer: (reader: Reader): number => reader.integer_(),
  flag: (reader: Reader): boolean => reader.integer_() > 0,
  id: (reader: Reader): string | null => reader.id_(),
  ids: (reader: Reader): string[] => {
    const ids = []
    for (let left = reader.array_(); left > 0; left--) ids.push(reader.id_()!)
    return ids
  },
  /** A number of deliveries. After a release as FATAL it is the largest that there is. */
  deliveries: (reader: Reader): number => {
    const value = reader.value_()
    return typeof value === 'bigint' ? Infinity : (value as number)
  },
  plain: (reader: Reader): unknown => reader.plain_(),
}

const DELETIONS: Partial<Record<number, Deletion>> = { [-1]: 'missing', 1: 'deleted', 2: 'referenced' }

/** What became of entries, in order. */
export function deletions(reader: Reader): Deletion[] {
  const all: Deletion[] = []
  for (let left = reader.array_(); left > 0; left--) all.push(DELETIONS[reader.integer_()]!)
  return all
}
