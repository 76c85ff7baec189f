// Streams: a method for each of their commands.

import type {
  AddManyOptions,
  AddOptions,
  Deletion,
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
import { Entry, pushFields } from './entry.js'
import { RedisError } from './errors.js'
import { Group } from './group.js'
import { streamInfo } from './info.js'
import { FLAG, NAME, OBJECT, REFS, SIGNAL, SIZE, TEXT, checked, idList, keptName, push, read } from './options.js'
import { Range } from './range.js'
import { LIVE_OPTIONS, LiveRead, source } from './read.js'
import { decode, deletions } from './shapes.js'
import { Slice } from './timer.js'
import { readable, writable } from './web_streams.js'

const TRIM_OPTIONS = { maxLen: SIZE, minId: TEXT, approx: FLAG, limit: SIZE, refs: REFS }
export const ADD_MANY_OPTIONS = { ...TRIM_OPTIONS, id: TEXT, noMkStream: FLAG, idempotent: OBJECT }
const ADD_OPTIONS = { ...ADD_MANY_OPTIONS, ifLastId: TEXT }
const SIGNALLED_OPTIONS = { ...ADD_MANY_OPTIONS, signal: SIGNAL }
const IDEMPOTENT_OPTIONS = { producer: NAME, id: NAME }
const DELETE_OPTIONS = { refs: REFS }
const INFO_OPTIONS = { full: FLAG, count: SIZE }
const SET_ID_OPTIONS = { entriesAdded: SIZE, maxDeletedId: TEXT }
const CONFIGURE_OPTIONS = { idempotentSeconds: SIZE, idempotentEntriesMax: SIZE }
const GROUP_OPTIONS = { from: TEXT, mkStream: FLAG, entriesRead: SIZE }

/** After so many rows the time is asked for. */
const ROWS_A_LOOK = 16

/** A handle on a stream. */
export class Stream {
  engine_: Engine
  readonly name: Name

  constructor(engine: Engine, name: Name) {
    this.engine_ = engine
    this.name = name
  }

  async add(fields: unknown, options?: AddOptions): Promise<string | null> {
    const words: Value[] = options === undefined ? ['XADD', this.name, '*'] : addWords('add', this.name, options)
    pushFields(words, 'add', fields)
    return this.engine_.run_(words, decode.id)
  }

  async addMany(
    rows: Iterable<unknown>,
    given?: AddManyOptions & { signal?: AbortSignal | undefined },
  ): Promise<(string | null)[]> {
    const { signal, ...options } = read('addMany', SIGNALLED_OPTIONS, given)
    const start = addWords('addMany', this.name, options)
    const left = rows[Symbol.iterator]()
    const ids: (string | null)[] = []
    const slice = new Slice()
    const run = () => {
      signal?.throwIfAborted()
      return this.addSome_(start, left, ids, slice)
    }
    while (await this.engine_.enter_(run)) await slice.pause_()
    return ids
  }

  range(options?: RangeOptions): Range {
    return new Range(this.engine_, this.name, options)
  }

  read(given?: LiveOptions): LiveRead<Entry> {
    const options = read('read', LIVE_OPTIONS, given)
    return new LiveRead(this.engine_, [source(this.engine_, this.name, options.after)], options, (_, entry) => entry)
  }

  async length(): Promise<number> {
    return this.engine_.run_(['XLEN', this.name], decode.integer)
  }

  async delete(ids: string | readonly string[], given?: { refs?: References | undefined }): Promise<number | Deletion[]> {
    const list = idList('delete', ids)
    const { refs } = read('delete', DELETE_OPTIONS, given)
    if (refs !== undefined) {
      if (list.length === 0) return []
      return this.engine_.run_(['XDELEX', this.name, refs, 'IDS', list.length, ...list], deletions)
    }
    return list.length === 0 ? 0 : this.engine_.run_(['XDEL', this.name, ...list], decode.integer)
  }

  async trim(given: TrimOptions): Promise<number> {
    const words: Value[] = ['XTRIM', this.name]
    const options = read('trim', TRIM_OPTIONS, given)
    pushTrim(words, options)
    push(words, 'LIMIT', options.limit)
    if (options.refs !== undefined) words.push(options.refs)
    return this.engine_.run_(words, decode.integer)
  }

  async info(given?: {
    full?: boolean | undefined
    count?: number | undefined
  }): Promise<StreamInfo | FullStreamInfo> {
    const options = read('info', INFO_OPTIONS, given)
    const words: Value[] = ['XINFO', 'STREAM', this.name]
    if (options.full) words.push('FULL')
    push(words, 'COUNT', options.count)
    return this.engine_.run_(words, (reader) => streamInfo(reader, options.full ?? false))
  }

  async setId(
    id: string,
    given?: { entriesAdded?: number | undefined; maxDeletedId?: string | undefined },
  ): Promise<void> {
    const words: Value[] = ['XSETID', this.name, checked('setId: the ID', TEXT, id)]
    const options = read('setId', SET_ID_OPTIONS, given)
    push(words, 'ENTRIESADDED', options.entriesAdded)
    push(words, 'MAXDELETEDID', options.maxDeletedId)
    return this.engine_.run_(words, decode.nothing)
  }

  async configure(given: {
    idempotentSeconds?: number | undefined
    idempotentEntriesMax?: number | undefined
  }): Promise<void> {
    const words: Value[] = ['XCFGSET', this.name]
    const options = read('configure', CONFIGURE_OPTIONS, given)
    push(words, 'IDMP-DURATION', options.idempotentSeconds)
    push(words, 'IDMP-MAXSIZE', options.idempotentEntriesMax)
    return this.engine_.run_(words, decode.nothing)
  }

  async recordIdempotent(producer: Name, id: Name, entryId: string): Promise<void> {
    checked('recordIdempotent: the producer', NAME, producer)
    checked('recordIdempotent: the ID', NAME, id)
    checked('recordIdempotent: the entry ID', TEXT, entryId)
    return this.engine_.run_(['XIDMPRECORD', this.name, producer, id, entryId], decode.nothing)
  }

  async group(name: Name, given?: GroupOptions): Promise<Group> {
    const group = new Group(this, keptName('group: the name', name))
    const options = read('group', GROUP_OPTIONS, given)
    const words: Value[] = ['XGROUP', 'CREATE', this.name, group.name, options.from ?? '0']
    if (options.mkStream !== false) words.push('MKSTREAM')
    push(words, 'ENTRIESREAD', options.entriesRead)
    try {
      await this.engine_.run_(words, decode.nothing)
    } catch (error) {
      if (!(error instanceof RedisError && error.code === 'BUSYGROUP')) throw error
    }
    return group
  }

  async groups(): Promise<GroupInfo[]> {
    return this.engine_.run_(['XINFO', 'GROUPS', this.name], (reader) => reader.plain_() as GroupInfo[])
  }

  async destroyGroup(name: Name): Promise<boolean> {
    checked('destroyGroup: the name', NAME, name)
    return this.engine_.run_(['XGROUP', 'DESTROY', this.name, name], decode.flag)
  }

  readable(options?: LiveOptions): ReadableStream<Entry> {
    return readable(this.read(options))
  }

  writable(given?: AddManyOptions): WritableStream<unknown> {
    const start = addWords('writable', this.name, read('writable', ADD_MANY_OPTIONS, given))
    return writable((fields) => {
      const words = [...start]
      pushFields(words, 'writable', fields)
      return this.engine_.run_(words, decode.id)
    })
  }

  /** Appends rows until it is time to let others run. True if there are more. */
  addSome_(start: readonly Value[], rows: Iterator<unknown>, ids: (string | null)[], slice: Slice): boolean {
    const { engine_ } = this
    const words = [...start]
    try {
      for (;;) {
        const now = engine_.clock_()
        for (let look = 0; look < ROWS_A_LOOK; look++) {
          const { value, done } = rows.next()
          if (done) return false
          words.length = start.length
          pushFields(words, 'addMany', value)
          ids.push(engine_.run_(words, decode.id, now) as string | null)
        }
        if (slice.isOver_()) return true
      }
    } catch (error) {
      throw error instanceof RedisError ? Object.assign(error, { ids }) : error
    }
  }
}

/** The words of an append up to the fields. */
function addWords(method: string, name: Name, given: AddOptions): Value[] {
  const { ifLastId, id = '*', noMkStream, idempotent, ...options } = read(method, ADD_OPTIONS, given)
  if (ifLastId !== undefined) {
    const others = { noMkStream, idempotent, ...options }
    for (const [other, value] of Object.entries(others)) {
      if (value !== undefined) throw new TypeError(`${method}: ${other} cannot be given together with ifLastId`)
    }
    return ['XADDIF', name, ifLastId, id]
  }
  const words: Value[] = ['XADD', name]
  if (noMkStream) words.push('NOMKSTREAM')
  if (options.refs !== undefined) words.push(options.refs)
  if (idempotent !== undefined) pushIdempotent(words, method, idempotent)
  pushTrim(words, options)
  push(words, 'LIMIT', options.limit)
  words.push(id)
  return words
}

function pushIdempotent(words: Value[], method: string, given: { producer: Name; id?: Name | undefined }): void {
  const { producer, id } = read(`${method}: idempotent`, IDEMPOTENT_OPTIONS, given)
  checked(`${method}: idempotent: producer`, NAME, producer)
  if (id === undefined) words.push('IDMPAUTO', producer)
  else words.push('IDMP', producer, id)
}

function pushTrim(words: Value[], { maxLen, minId, approx }: TrimOptions): void {
  const sign = approx ? '~' : '='
  if (maxLen !== undefined) words.push('MAXLEN', sign, maxLen)
  if (minId !== undefined) words.push('MINID', sign, minId)
}
