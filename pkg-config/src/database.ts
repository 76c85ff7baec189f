// A database: streams by name, any command, and its end.

import type { CallOptions, Durability, DurabilityInfo, Inspection, Limits, MultiReply, Name, Opening, ReadOptions, Reply, Value } from '../types/index.js'
import { LIMITS } from './door.js'
import { type Entry, isSame } from './entry.js'
import { Handle } from './handle.js'
import { inspect } from './inspect.js'
import type { Live } from './live.js'
import { checked, kept, read, refuse } from './options.js'
import { READ_OPTIONS, type Source, readOn, source } from './read.js'
import type { Words } from './request.js'
import { exportSnapshot, importSnapshot } from './snapshot.js'
import { DURABLE, USUAL, WRITTEN, levelOf } from './stored.js'
import { Stream } from './stream.js'

/** Commands about the state of a connection, which a call does not have. */
const OF_CONNECTIONS =
  /^(AUTH|CLIENT|DISCARD|EXEC|HELLO|MONITOR|MULTI|QUIT|RESET|SELECT|(UN)?WATCH|[PS]?(UN)?SUBSCRIBE)$/i

/** A handle on a database. */
export class Database extends Handle {
  stream(name: Name): Stream {
    return new Stream(this.engine_, kept('name', name))
  }

  async call(...given: unknown[]): Promise<unknown> {
    const isList = Array.isArray(given[0])
    const { signal, durability } = read('signal durability', isList ? (given[1] as CallOptions) : undefined)
    const words = command(isList ? given[0] : given)
    return this.engine_.waitFor_(words, (reader) => reader.value_() as Reply, signal, levelOf(durability))
  }

  async multi(commands: Iterable<unknown>, given?: { durability?: Durability | undefined }): Promise<unknown> {
    checked('commands', commands)
    const { durability } = read('durability', given)
    const batch = Array.from(commands, command)
    return this.engine_.exec_(batch, (reader) => reader.value_() as MultiReply[], levelOf(durability))
  }

  read(
    given: Iterable<{ stream: Name | Stream; after?: string | undefined }>,
    options?: ReadOptions,
  ): Live<{ stream: Name; entry: Entry }> {
    checked('sources', given)
    const sources: Source[] = []
    for (const one of given) {
      const { stream, after } = read('stream after', one)
      const name = kept('stream', (stream as Stream | undefined)?.name ?? stream) as Name
      if (sources.some((other) => isSame(other.name, name))) refuse('sources', 'different streams', name)
      sources.push(source(this.engine_, name, after))
    }
    if (sources.length === 0) refuse('sources', 'at least one', given)
    return readOn(this.engine_, sources, read(READ_OPTIONS, options), (entry, stream) => ({ stream, entry }))
  }

  async inspect(): Promise<Inspection> {
    return this.engine_.enter_(async () => {
      const inspection = inspect(this.engine_)
      await this.engine_.stored_?.settled_(USUAL)
      return inspection
    })
  }

  async configure(given: Limits): Promise<void> {
    const limits = read(LIMITS, given)
    await this.engine_.enter_(() => this.engine_.door_!.configure_(limits))
  }

  async flush(): Promise<void> {
    await this.engine_.enter_(() => this.engine_.stored_?.store_(WRITTEN))
  }

  async sync(): Promise<void> {
    await this.engine_.enter_(() => this.engine_.stored_?.store_(DURABLE))
  }

  async durability(): Promise<DurabilityInfo | null> {
    return this.engine_.enter_(async () => {
      const { stored_ } = this.engine_
      if (stored_ === undefined) return null
      const { end: _, isLossy, wasClean, isHealing, ...told } = stored_.told_()
      const flags = { isLossy: isLossy > 0, wasClean: wasClean > 0, isHealing: isHealing > 0 }
      return { storage: stored_.storage_.name, ...told, ...flags, ...(await stored_.storage_.describe?.()) }
    })
  }

  exportSnapshot(): ReadableStream<Uint8Array> {
    return exportSnapshot(this.engine_)
  }

  async importSnapshot(
    source: AsyncIterable<Uint8Array> | Iterable<Uint8Array> | ReadableStream<Uint8Array>,
    given?: { replace?: boolean | undefined },
  ): Promise<number> {
    const { replace = false } = read('replace', given)
    return importSnapshot(this.engine_, source, replace)
  }

  async destroy(): Promise<void> {
    const { stored_ } = this.engine_
    await this.close()
    await stored_?.storage_.destroy?.()
  }

  addEventListener(...listener: Parameters<EventTarget['addEventListener']>): void {
    this.engine_.events_.addEventListener(...listener)
  }

  removeEventListener(...listener: Parameters<EventTarget['removeEventListener']>): void {
    this.engine_.events_.removeEventListener(...listener)
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
function command(words: unknown): Words {
  if (!Array.isArray(words)) refuse('a command', 'an array of words', words)
  const name = String(checked('command', words[0]))
  if (OF_CONNECTIONS.test(name)) {
    throw new TypeError(`${name} is about a connection, and there is none; see multi()`)
  }
  return words as Value[]
}
