// Consumer groups: a method for each of their commands.

import type {
  AutoClaimed,
  AutoClaimOptions,
  BatchOptions,
  ClaimOptions,
  ConsumerInfo,
  Deletion,
  Durability,
  GroupInfo,
  GroupReadOptions,
  Name,
  NackMode,
  PendingMessage,
  PendingOptions,
  PendingSummary,
  References,
} from '../types/index.js'
import type { Decode } from './engine.js'
import { type Entry, isSame, readEntries } from './entry.js'
import { CLAIM_RELEASED, GROUP_READ_OPTIONS, groupRead } from './group_read.js'
import type { Live } from './live.js'
import { Message, readMessages } from './message.js'
import { checked, idList, kept, read, spell } from './options.js'
import type { Reader } from './reply.js'
import type { Words } from './request.js'
import { nothing, readDeletions, readFlag, readIds, readInteger, readList, readPending, readPlain } from './shapes.js'
import { USUAL, levelOf } from './stored.js'
import type { Stream } from './stream.js'

/** So many messages are in a batch, or in a list of pending ones. */
const BATCH_LEN = 10
const PENDING_LEN = 100

type Ids = string | readonly string[]

/** A handle on a consumer group. */
export class Group {
  readonly name: Name
  readonly stream: Stream

  constructor(stream: Stream, name: Name) {
    this.stream = stream
    this.name = name
  }

  read(consumer: Name, options?: GroupReadOptions): Live<Message> {
    return groupRead(this, kept('consumer', consumer), options)
  }

  async readBatch(consumer: Name, given?: BatchOptions): Promise<Message[]> {
    const { engine_, name } = this.stream
    const options = read(`${GROUP_READ_OPTIONS} block after`, given)
    const { after = '>', claimIdle: claim = CLAIM_RELEASED, count = BATCH_LEN, block, noAck } = options
    const words = ['XREADGROUP', 'GROUP', this.name, checked('consumer', consumer)]
    const all = [...words, ...spell({ count, claim, block, noAck }), 'STREAMS', name, after]
    return engine_.waitFor_(all, (reader) => readMessages(reader, this, engine_.now_), options.signal)
  }

  async ack(ids: Ids, given?: { durability?: Durability | undefined }): Promise<number> {
    const list = idList(ids)
    const level = levelOf(read('durability', given).durability)
    return list.length === 0 ? 0 : this.run_(['XACK'], list, readInteger, level)
  }

  async nack(
    ids: Ids,
    given?: {
      mode?: NackMode | undefined
      retryCount?: number | undefined
      force?: boolean | undefined
      durability?: Durability | undefined
    },
  ): Promise<number> {
    const list = idList(ids)
    const { mode = 'FAIL', durability, ...options } = read('mode retryCount force durability', given)
    if (list.length === 0) return 0
    const words = [mode, 'IDS', list.length, ...list, ...spell(options)]
    return this.run_(['XNACK'], words, readInteger, levelOf(durability))
  }

  async ackDelete(
    ids: Ids,
    given?: { refs?: References | undefined; durability?: Durability | undefined },
  ): Promise<Deletion[]> {
    const list = idList(ids)
    const { refs = 'KEEPREF', durability } = read('refs durability', given)
    const words = [refs, 'IDS', list.length, ...list]
    return list.length === 0 ? [] : this.run_(['XACKDEL'], words, readDeletions, levelOf(durability))
  }

  async claim(consumer: Name, minIdle: number, ids: Ids, given?: ClaimOptions): Promise<Message[] | string[]> {
    const list = idList(ids)
    const options = read('idle time retryCount force lastId justId', given)
    const words = [checked('consumer', consumer), checked('minIdle', minIdle), ...list, ...spell(options)]
    if (list.length === 0) return []
    if (options.justId) return this.run_(['XCLAIM'], words, readIds)
    return this.delivered_(await this.run_(['XCLAIM'], words, readEntries))
  }

  async autoClaim(
    consumer: Name,
    minIdle: number,
    given?: AutoClaimOptions,
  ): Promise<AutoClaimed<string> | AutoClaimed<Message>> {
    const { start = '0-0', ...options } = read('start count justId', given)
    const words = [checked('consumer', consumer), checked('minIdle', minIdle), start, ...spell(options)]
    const page = <T>(claimed: Decode<T[]>) =>
      this.run_(['XAUTOCLAIM'], words, (reader) => {
        reader.array_()
        return { next: reader.id_()!, claimed: claimed(reader), deleted: readIds(reader) }
      })
    if (options.justId) return page(readIds)
    const { claimed, ...rest } = await page(readEntries)
    return { ...rest, claimed: await this.delivered_(claimed) }
  }

  async pending(given?: PendingOptions): Promise<PendingSummary | PendingMessage[]> {
    if (given === undefined) return this.run_(['XPENDING'], [], readSummary)
    const options = read('from to count consumer minIdle', given)
    const { from = '-', to = '+', count = PENDING_LEN, consumer, minIdle: idle } = options
    const words = [...spell({ idle }), from, to, count]
    if (consumer !== undefined) words.push(consumer)
    return this.run_(['XPENDING'], words, readPending)
  }

  async consumers(): Promise<ConsumerInfo[]> {
    const all = await this.run_(['XINFO', 'CONSUMERS'], [], readPlain<ConsumerInfo[]>)
    return all.map((one) => ({ ...one, inactive: one.inactive === -1 ? null : one.inactive }))
  }

  async createConsumer(name: Name): Promise<boolean> {
    return this.run_(['XGROUP', 'CREATECONSUMER'], [checked('name', name)], readFlag)
  }

  async deleteConsumer(name: Name): Promise<number> {
    return this.run_(['XGROUP', 'DELCONSUMER'], [checked('name', name)], readInteger)
  }

  async setId(id: string, options?: { entriesRead?: number | undefined }): Promise<void> {
    return this.run_(['XGROUP', 'SETID'], [checked('id', id), ...spell(read('entriesRead', options))], nothing)
  }

  async info(): Promise<GroupInfo | null> {
    return (await this.stream.groups()).find(({ name }) => isSame(name, this.name)) ?? null
  }

  async destroy(): Promise<boolean> {
    return this.stream.destroyGroup(this.name)
  }

  /** Runs a command about this group: `COMMAND stream group words`. */
  run_<T>(command: Words, words: Words, decode: Decode<T>, level: number = USUAL): T | Promise<T> {
    return this.stream.engine_.run_([...command, this.stream.name, this.name, ...words], decode, level)
  }

  /** Entries as messages: how often each was delivered is asked for. */
  async delivered_(entries: Entry[]): Promise<Message[]> {
    const looks = entries.map(({ id }) => ['XPENDING', this.stream.name, this.name, id, id, 1])
    const known = await this.stream.engine_.exec_(looks, (reader) => readList(reader, readPending))
    return entries.map(({ id, flat }, place) => new Message(id, flat, this, known[place]![0]?.deliveries ?? 1, null))
  }
}

function readSummary(reader: Reader): PendingSummary {
  reader.array_()
  const [total, minId, maxId] = [reader.integer_(), reader.id_(), reader.id_()]
  const consumers = readList(reader, () => {
    reader.array_()
    return { name: reader.text_(), pending: Number(reader.text_()) }
  })
  return { total, minId, maxId, consumers }
}
