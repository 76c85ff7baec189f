// Consumer groups: a method for each of their commands.

import type {
  AutoClaimed,
  AutoClaimOptions,
  BatchOptions,
  ClaimOptions,
  ConsumerInfo,
  Deletion,
  GroupInfo,
  GroupReadOptions,
  Name,
  NackMode,
  PendingMessage,
  PendingOptions,
  PendingSummary,
  References,
  Value,
} from '../types/index.js'
import { isSame, readEntries } from './entry.js'
import { BATCH_LEN, CLAIM_RELEASED, GroupRead, GROUP_READ_OPTIONS } from './group_read.js'
import { type Delivered, Message, readMessages } from './message.js'
import { COUNT, FLAG, MODE, NAME, REFS, SIZE, TEXT, checked, idList, keptName, push, read } from './options.js'
import type { Reader } from './reply.js'
import type { Words } from './request.js'
import { decode, deletions } from './shapes.js'
import type { Stream } from './stream.js'

const BATCH_OPTIONS = { ...GROUP_READ_OPTIONS, block: SIZE, after: TEXT }
const NACK_OPTIONS = { mode: MODE, retryCount: SIZE, force: FLAG }
const CLAIM_OPTIONS = { idle: SIZE, time: SIZE, retryCount: SIZE, force: FLAG, justId: FLAG, lastId: TEXT }
const AUTO_CLAIM_OPTIONS = { start: TEXT, count: COUNT, justId: FLAG }
const PENDING_OPTIONS = { from: TEXT, to: TEXT, count: COUNT, consumer: NAME, minIdle: SIZE }
const REFS_OPTIONS = { refs: REFS }
const SET_ID_OPTIONS = { entriesRead: SIZE }

const PENDING_LEN = 100

type Ids = string | readonly string[]
type NackOptions = { mode?: NackMode | undefined; retryCount?: number | undefined; force?: boolean | undefined }

/** A handle on a consumer group. */
export class Group {
  readonly name: Name
  readonly stream: Stream

  constructor(stream: Stream, name: Name) {
    this.stream = stream
    this.name = name
  }

  read(consumer: Name, options?: GroupReadOptions): GroupRead {
    return new GroupRead(this, keptName('read: the consumer', consumer), options)
  }

  async readBatch(consumer: Name, given?: BatchOptions): Promise<Message[]> {
    const options = read('readBatch', BATCH_OPTIONS, given)
    const { engine_ } = this.stream
    const words: Value[] = ['XREADGROUP', 'GROUP', this.name, checked('readBatch: the consumer', NAME, consumer)]
    words.push('COUNT', options.count ?? BATCH_LEN, 'CLAIM', options.claimIdle ?? CLAIM_RELEASED)
    push(words, 'BLOCK', options.block)
    if (options.noAck) words.push('NOACK')
    words.push('STREAMS', this.stream.name, options.after ?? '>')
    return engine_.waitFor_(words, (reader) => readMessages(reader, this, engine_.now_), options.signal)
  }

  async ack(ids: Ids): Promise<number> {
    const list = idList('ack', ids)
    return list.length === 0 ? 0 : this.run_('XACK', list, decode.integer)
  }

  async nack(ids: Ids, given?: NackOptions): Promise<number> {
    const list = idList('nack', ids)
    const options = read('nack', NACK_OPTIONS, given)
    if (list.length === 0) return 0
    const words: Value[] = [options.mode ?? 'FAIL', 'IDS', list.length, ...list]
    push(words, 'RETRYCOUNT', options.retryCount)
    if (options.force) words.push('FORCE')
    return this.run_('XNACK', words, decode.integer)
  }

  async ackDelete(ids: Ids, given?: { refs?: References | undefined }): Promise<Deletion[]> {
    const list = idList('ackDelete', ids)
    const { refs } = read('ackDelete', REFS_OPTIONS, given)
    if (list.length === 0) return []
    return this.run_('XACKDEL', [...(refs === undefined ? [] : [refs]), 'IDS', list.length, ...list], deletions)
  }

  async claim(consumer: Name, minIdle: number, ids: Ids, given?: ClaimOptions): Promise<Message[] | string[]> {
    checked('claim: the consumer', NAME, consumer)
    checked('claim: minIdle', SIZE, minIdle)
    const list = idList('claim', ids)
    const options = read('claim', CLAIM_OPTIONS, given)
    if (list.length === 0) return []
    const words: Value[] = ['XCLAIM', this.stream.name, this.name, consumer, minIdle, ...list]
    push(words, 'IDLE', options.idle)
    push(words, 'TIME', options.time)
    push(words, 'RETRYCOUNT', options.retryCount)
    if (options.force) words.push('FORCE')
    push(words, 'LASTID', options.lastId)
    const { engine_ } = this.stream
    if (options.justId) return engine_.run_([...words, 'JUSTID'], decode.ids)
    // How long a message had been idle is known before it is claimed, how often it was delivered afterwards.
    const looks = list.map((id) => this.lookAt_(id))
    return engine_.exec_([...looks, words, ...looks], (reader) => {
      reader.array_()
      const before = readDelivered(reader, list.length)
      reader.check_()
      const claimed = readEntries(reader)
      const after = readDelivered(reader, list.length)
      return claimed.map(({ id, flat_ }) => {
        return new Message(id, flat_, this, after.get(id)?.deliveries ?? 1, before.get(id)?.idle ?? null)
      })
    })
  }

  async autoClaim(
    consumer: Name,
    minIdle: number,
    given?: AutoClaimOptions,
  ): Promise<AutoClaimed<string> | AutoClaimed<Message>> {
    checked('autoClaim: the consumer', NAME, consumer)
    checked('autoClaim: minIdle', SIZE, minIdle)
    const options = read('autoClaim', AUTO_CLAIM_OPTIONS, given)
    const words: Value[] = ['XAUTOCLAIM', this.stream.name, this.name, consumer, minIdle, options.start ?? '0-0']
    push(words, 'COUNT', options.count)
    const { engine_ } = this.stream
    const page = <T>(claimed: (reader: Reader) => T[]) => (reader: Reader) => {
      reader.array_()
      return { next: reader.id_()!, claimed: claimed(reader), deleted: decode.ids(reader) }
    }
    if (options.justId) return engine_.run_([...words, 'JUSTID'], page(decode.ids))
    const { next, claimed, deleted } = await engine_.run_(words, page(readEntries))
    const looks = claimed.map(({ id }) => this.lookAt_(id))
    const after = await engine_.exec_(looks, (reader) => readDelivered(reader, reader.array_()))
    const messages = claimed.map(({ id, flat_ }) => {
      return new Message(id, flat_, this, after.get(id)?.deliveries ?? 1, null)
    })
    return { next, claimed: messages, deleted }
  }

  async pending(given?: PendingOptions): Promise<PendingSummary | PendingMessage[]> {
    if (given === undefined) return this.run_('XPENDING', [], readSummary)
    const options = read('pending', PENDING_OPTIONS, given)
    const words: Value[] = []
    push(words, 'IDLE', options.minIdle)
    words.push(options.from ?? '-', options.to ?? '+', options.count ?? PENDING_LEN)
    if (options.consumer !== undefined) words.push(options.consumer)
    return this.run_('XPENDING', words, readPending)
  }

  async consumers(): Promise<ConsumerInfo[]> {
    const all = await this.sub_('XINFO', 'CONSUMERS', [], decode.plain)
    return (all as ConsumerInfo[]).map((one) => ({ ...one, inactive: one.inactive === -1 ? null : one.inactive }))
  }

  async createConsumer(name: Name): Promise<boolean> {
    return this.sub_('XGROUP', 'CREATECONSUMER', [checked('createConsumer: the name', NAME, name)], decode.flag)
  }

  async deleteConsumer(name: Name): Promise<number> {
    return this.sub_('XGROUP', 'DELCONSUMER', [checked('deleteConsumer: the name', NAME, name)], decode.integer)
  }

  async setId(id: string, given?: { entriesRead?: number | undefined }): Promise<void> {
    const words: Value[] = [checked('setId: the ID', TEXT, id)]
    push(words, 'ENTRIESREAD', read('setId', SET_ID_OPTIONS, given).entriesRead)
    return this.sub_('XGROUP', 'SETID', words, decode.nothing)
  }

  async info(): Promise<GroupInfo | null> {
    const all = await this.stream.groups()
    return all.find(({ name }) => isSame(name, this.name)) ?? null
  }

  async destroy(): Promise<boolean> {
    return this.stream.destroyGroup(this.name)
  }

  /** Runs `COMMAND stream group ...`. */
  run_<T>(command: string, words: Words, make: (reader: Reader) => T): T | Promise<T> {
    return this.stream.engine_.run_([command, this.stream.name, this.name, ...words], make)
  }

  /** Runs `COMMAND SUBCOMMAND stream group ...`. */
  sub_<T>(command: string, subcommand: string, words: Words, make: (reader: Reader) => T): T | Promise<T> {
    return this.stream.engine_.run_([command, subcommand, this.stream.name, this.name, ...words], make)
  }

  lookAt_(id: string): Words {
    return ['XPENDING', this.stream.name, this.name, id, id, 1]
  }
}

/** What is known of pending messages, by ID: the replies to so many commands. */
function readDelivered(reader: Reader, replies: number): Map<string, Delivered> {
  const all = new Map<string, Delivered>()
  for (let left = replies; left > 0; left--) {
    reader.check_()
    for (const one of readPending(reader)) all.set(one.id, one)
  }
  return all
}

/** Reads the long form of XPENDING. */
export function readPending(reader: Reader): PendingMessage[] {
  const all = []
  for (let left = reader.array_(); left > 0; left--) {
    reader.array_()
    const [id, consumer] = [reader.id_()!, reader.text_()]
    const [idle, deliveries] = [reader.integer_(), decode.deliveries(reader)]
    all.push(idle < 0 ? { id, consumer: null, idle: null, deliveries } : { id, consumer, idle, deliveries })
  }
  return all
}

function readSummary(reader: Reader): PendingSummary {
  reader.array_()
  const [total, minId, maxId] = [reader.integer_(), reader.id_(), reader.id_()]
  const consumers = []
  for (let left = reader.array_(); left > 0; left--) {
    reader.array_()
    consumers.push({ name: reader.text_(), pending: Number(reader.text_()) })
  }
  return { total, minId, maxId, consumers }
}
