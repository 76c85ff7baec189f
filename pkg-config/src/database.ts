// A database: streams by name, any command, and its end.

import type { Inspection, Limits, MultiReply, Name, Opening, ReadOptions, Reply, Value } from '../types/index.js'
import type { Engine } from './engine.js'
import type { Entry } from './entry.js'
import { inspect } from './inspect.js'
import { NAME, OBJECT, SIGNAL, SIZE, TEXT, checked, keptName, read, refuse } from './options.js'
import { LiveRead, READ_OPTIONS, type Source, source } from './read.js'
import type { Words } from './request.js'
import { Stream } from './stream.js'

export const LIMITS = {
  memoryBytesMax: SIZE,
  replyBytesMax: SIZE,
  nodeBytesMax: SIZE,
  nodeEntriesMax: SIZE,
  idempotentSeconds: SIZE,
  idempotentEntriesMax: SIZE,
}
interface CallOptions {
  signal?: AbortSignal | undefined
}

const CALL_OPTIONS = { signal: SIGNAL }
const SOURCE_OPTIONS = { stream: OBJECT, after: TEXT }

/** Commands about the state of a connection, which a call does not have. */
const OF_CONNECTIONS = new Set(
  (
    'AUTH CLIENT DISCARD EXEC HELLO MONITOR MULTI PSUBSCRIBE PUNSUBSCRIBE QUIT RESET SELECT SSUBSCRIBE SUBSCRIBE ' +
    'SUNSUBSCRIBE UNSUBSCRIBE UNWATCH WATCH'
  ).split(' '),
)

/** A handle on a database. */
export class Database {
  engine_: Engine

  constructor(engine: Engine) {
    this.engine_ = engine
  }

  stream(name: Name): Stream {
    return new Stream(this.engine_, keptName('stream: the name', name))
  }

  async call(...given: unknown[]): Promise<unknown> {
    const isList = Array.isArray(given[0])
    const { signal } = read<CallOptions>('call', CALL_OPTIONS, isList ? (given[1] as CallOptions) : undefined)
    const words = command('call', isList ? given[0] : given)
    return this.engine_.waitFor_(words, (reader) => reader.value_() as Reply, signal)
  }

  async multi(commands: Iterable<unknown>): Promise<unknown> {
    checked('multi: the commands', OBJECT, commands)
    const batch = Array.from(commands, (words) => command('multi', words))
    return this.engine_.exec_(batch, (reader) => reader.value_() as MultiReply[])
  }

  read(
    given: Iterable<{ stream: Name | Stream; after?: string | undefined }>,
    options?: ReadOptions,
  ): LiveRead<{ stream: Name; entry: Entry }> {
    checked('read: the sources', OBJECT, given)
    const sources: Source[] = []
    const known = new Set<string>()
    for (const one of given) {
      const { stream, after } = read('read: a source', SOURCE_OPTIONS as never, one) as typeof one
      const name = stream instanceof Stream ? stream.name : keptName('read: stream', stream)
      if (known.size === known.add(String(name)).size) refuse('read: the sources', 'different streams', name)
      sources.push(source(this.engine_, name, after))
    }
    if (sources.length === 0) refuse('read: the sources', 'at least one', given)
    return new LiveRead(this.engine_, sources, read('read', READ_OPTIONS, options), (stream, entry) => ({ stream, entry }))
  }

  async inspect(): Promise<Inspection> {
    return this.engine_.enter_(() => inspect(this.engine_))
  }

  async configure(given: Limits): Promise<void> {
    const limits = read('configure', LIMITS, given)
    await this.engine_.enter_(() => this.engine_.door_!.configure_(limits))
  }

  async flush(): Promise<void> {
    await this.engine_.enter_(() => {})
  }

  close(): Promise<void> {
    return this.engine_.close_()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** A database that is being opened. */
export class OpeningDatabase extends Database {
  // Not the database itself: a promise that is resolved with something that has `then` would ask it again, for ever.
  then: Opening['then'] = (done, failed) => {
    const database = new Database(this.engine_) as never
    return this.engine_.opened_.then(() => database).then(done, failed)
  }
}

/** The words of a command that anybody may call. */
function command(method: string, words: unknown): Words {
  if (!Array.isArray(words)) refuse(`${method}: a command`, 'an array of words', words)
  const name: unknown = checked(`${method}: the name of a command`, NAME, words[0])
  const upper = typeof name === 'string' ? name.toUpperCase() : ''
  if (OF_CONNECTIONS.has(upper)) {
    throw new TypeError(`${method}: ${upper} is about a connection, and there is none; multi() runs commands as one unit`)
  }
  return words as Value[]
}
