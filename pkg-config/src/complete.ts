// That nothing of the public types is missing in the classes behind them. Only compiled: nothing of it is in the
// package.

import type * as api from '../types/index.js'
import type { Database, OpeningDatabase } from './database.js'
import type { Entry } from './entry.js'
import type { Group } from './group.js'
import type { Live } from './live.js'
import type { Message } from './message.js'
import type { Stream } from './stream.js'

/** The names that the first has and the second has not, or which are no method in the second but one in the first. */
type Missing<Public, Behind> = {
  [K in keyof Public]: K extends keyof Behind
    ? Public[K] extends (...words: never[]) => unknown
      ? Behind[K] extends (...words: never[]) => unknown
        ? never
        : K
      : never
    : K
}[keyof Public]

/** An error where something is missing, which it names. */
type None<Names extends never> = Names

export type Complete = [
  None<Missing<api.Database, Database>>,
  None<Missing<api.Opening, OpeningDatabase>>,
  None<Missing<api.Stream, Stream>>,
  None<Missing<api.Group, Group>>,
  None<Missing<api.Entry, Entry>>,
  None<Missing<api.Message, Message>>,
  None<Missing<api.Iteration<unknown>, Live<unknown>>>,
  None<Missing<api.Range<unknown>, Live<unknown>>>,
]
