// Streams: a method for each of their commands.

import type {
  AddManyOptions,
  AddOptions,
  Deletion,
  Durability,
  FullStreamInfo,
  GroupInfo,
  GroupOptions,
  LiveOptions,
  Name,
  RangeOptions,
  References,
  StreamInfo,
  TrimOptions,
  Value,
} from '../types/index.js'
import type { Engine } from './engine.js'
import { Entry, putFields } from './entry.js'
import { RedisError } from './errors.js'
import { Group } from './group.js'
import { Handle } from './handle.js'
import { readInfo } from './info.js'
import type { Live } from './live.js'
import { checked, idList, kept, read, refuse, spell } from './options.js'
import { range } from './range.js'
import { READ_OPTIONS, readOn, source } from './read.js'
import { nothing, readDeletions, readFlag, readId, readInteger, readPlain } from './shapes.js'
import { levelOf } from './stored.js'
import { Slice } from './timer.js'

const TRIM_OPTIONS = 'maxLen minId approx limit refs'
const ADD_MANY_OPTIONS = `${TRIM_OPTIONS} id noMkStream idempotent durability`
const ADD_OPTIONS = `${ADD_MANY_OPTIONS} ifLastId`

/** After so many rows the time is asked for. */
const ROWS_A_LOOK = 16

/** A handle on a stream. */
export class Stream extends Handle {
  readonly name: Name

  constructor(engine: Engine, name: Name) {
    super(engine)
    this.name = name
  }

  async add(fields: unknown, options?: AddOptions): Promise<string | null> {
    const words: Value[] = options === undefined ? ['XADD', this.name, '*'] : addWords(this.name, options)
    putFields(words, words.length, fields)
    return this.engine_.add_(words, readId, levelOf(options?.durability))
  }

  async addMany(
    rows: Iterable<unknown>,
    given?: AddManyOptions & { signal?: AbortSignal | undefined },
  ): Promise<(string | null)[]> {
    const { signal, ...options } = read(`${ADD_MANY_OPTIONS} signal`, given)
    const start = addWords(this.name, options)
    const left = checked('rows', rows)[Symbol.iterator]()
    const { engine_ } = this
    const level = levelOf(options.durability)
    const ids: (string | null)[] = []
    const slice = new Slice()
    const run = () => {
      signal?.throwIfAborted()
      return this.addSome_(start, left, ids, slice)
    }
    try {
      while (await engine_.enter_(() => (engine_.isFull_() ? engine_.room_(run) : run()))) await slice.pause_()
    } catch (error) {
      // The IDs of those that were added are told, too.
      if (ids.length > 0) await engine_.stored_?.settled_(level)
      throw error
    }
    await engine_.stored_?.settled_(level)
    return ids
  }

  range(options?: RangeOptions): Live<Entry> {
    return range(this.engine_, this.name, options)
  }

  read(given?: LiveOptions): Live<Entry> {
    const options = read(`${READ_OPTIONS} after`, given)
    return readOn(this.engine_, [source(this.engine_, this.name, options.after)], options, (entry) => entry)
  }

  async length(): Promise<number> {
    return this.engine_.run_(['XLEN', this.name], readInteger)
  }

  async delete(
    ids: string | readonly string[],
    given?: { refs?: References | undefined; durability?: Durability | undefined },
  ): Promise<number | Deletion[]> {
    const list = idList(ids)
    const { refs, durability } = read('refs durability', given)
    const level = levelOf(durability)
    if (refs !== undefined) {
      if (list.length === 0) return []
      return this.engine_.run_(['XDELEX', this.name, refs, 'IDS', list.length, ...list], readDeletions, level)
    }
    return list.length === 0 ? 0 : this.engine_.run_(['XDEL', this.name, ...list], readInteger, level)
  }

  async trim(given: TrimOptions & { durability?: Durability | undefined }): Promise<number> {
    const { durability, ...options } = read(`${TRIM_OPTIONS} durability`, given)
    return this.engine_.run_(['XTRIM', this.name, ...trimWords(options)], readInteger, levelOf(durability))
  }

  async info(given?: {
    full?: boolean | undefined
    count?: number | undefined
  }): Promise<StreamInfo | FullStreamInfo> {
    return this.engine_.run_(['XINFO', 'STREAM', this.name, ...spell(read('full count', given))], readInfo)
  }

  async setId(
    id: string,
    given?: { entriesAdded?: number | undefined; maxDeletedId?: string | undefined },
  ): Promise<void> {
    const words = spell(read('entriesAdded maxDeletedId', given))
    return this.engine_.run_(['XSETID', this.name, checked('id', id), ...words], nothing)
  }

  async configure(given: {
    idempotentSeconds?: number | undefined
    idempotentEntriesMax?: number | undefined
  }): Promise<void> {
    const { idempotentSeconds, idempotentEntriesMax } = read('idempotentSeconds idempotentEntriesMax', given)
    const words = spell({ 'idmp-duration': idempotentSeconds, 'idmp-maxsize': idempotentEntriesMax })
    return this.engine_.run_(['XCFGSET', this.name, ...words], nothing)
  }

  async recordIdempotent(producer: Name, id: Name, entryId: string): Promise<void> {
    const words = [checked('producer', producer), checked('idempotentId', id), checked('id', entryId)]
    return this.engine_.run_(['XIDMPRECORD', this.name, ...words], nothing)
  }

  async group(name: Name, given?: GroupOptions): Promise<Group> {
    const group = new Group(this, kept('name', name))
    const { from = '0', mkStream = true, entriesRead } = read('from mkStream entriesRead', given)
    const words = [this.name, group.name, from, ...spell({ mkStream, entriesRead })]
    try {
      await this.engine_.run_(['XGROUP', 'CREATE', ...words], nothing)
    } catch (error) {
      if (!(error instanceof RedisError && error.code === 'BUSYGROUP')) throw error
    }
    return group
  }

  async groups(): Promise<GroupInfo[]> {
    return this.engine_.run_(['XINFO', 'GROUPS', this.name], readPlain<GroupInfo[]>)
  }

  async destroyGroup(name: Name): Promise<boolean> {
    return this.engine_.run_(['XGROUP', 'DESTROY', this.name, checked('name', name)], readFlag)
  }

  readable(options?: LiveOptions): ReadableStream<Entry> {
    const entries = this.read(options)
    return new ReadableStream<Entry>(
      {
        async pull(controller) {
          const { value, done } = await entries.next()
          if (done) controller.close()
          else controller.enqueue(value)
        },
        async cancel() {
          await entries.return()
        },
      },
      // Nothing is fetched before somebody reads.
      { highWaterMark: 0 },
    )
  }

  writable(given?: AddManyOptions): WritableStream<unknown> {
    const options = read(ADD_MANY_OPTIONS, given)
    const start = addWords(this.name, options)
    const level = levelOf(options.durability)
    return new WritableStream({
      // One write is run after the other.
      write: async (fields) => {
        const words = [...start]
        putFields(words, words.length, fields)
        await this.engine_.add_(words, readId, level)
      },
    })
  }

  /** Appends rows until it is time to let others run. True if there are more. */
  addSome_(start: readonly Value[], rows: Iterator<unknown>, ids: (string | null)[], slice: Slice): boolean {
    const { engine_ } = this
    const words = start.slice()
    try {
      for (;;) {
        const now = engine_.clock_()
        for (let look = 0; look < ROWS_A_LOOK; look++) {
          const { value, done } = rows.next()
          if (done) return false
          putFields(words, start.length, value)
          ids.push(engine_.runNow_(words, readId, now))
        }
        if (slice.isOver_() || engine_.isFull_()) return true
      }
    } catch (error) {
      throw error instanceof RedisError ? Object.assign(error, { ids }) : error
    }
  }
}

/** The words of an append up to the fields. */
function addWords(name: Name, given: AddOptions): Value[] {
  const { ifLastId, id = '*', noMkStream, idempotent, durability: _, ...trim } = read(ADD_OPTIONS, given)
  if (ifLastId !== undefined) {
    const [other] = spell({ noMkStream, idempotent, ...trim })
    if (other !== undefined) refuse(`ifLastId together with ${other}`, 'two appends', ifLastId)
    return ['XADDIF', name, ifLastId, id]
  }
  const words = ['XADD', name, ...spell({ noMkStream })]
  if (idempotent !== undefined) {
    const { producer, id } = read('producer id', idempotent)
    checked('producer', producer)
    words.push(...(id === undefined ? ['IDMPAUTO', producer] : ['IDMP', producer, id]))
  }
  words.push(...trimWords(trim), id)
  return words
}

function trimWords({ maxLen, minId, approx, limit, refs }: TrimOptions): Value[] {
  const words: Value[] = refs === undefined ? [] : [refs]
  const sign = approx ? '~' : '='
  if (maxLen !== undefined) words.push('MAXLEN', sign, maxLen)
  if (minId !== undefined) words.push('MINID', sign, minId)
  return [...words, ...spell({ limit })]
}
