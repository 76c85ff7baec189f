// Reading through a group, for ever: own pending messages, then released and idle ones, then new ones.
//
// *Design.* What is fetched belongs to this consumer and is kept from others, so no more is fetched than is soon handed
// over: pages begin with one message and double while they are used up in no time. A consumer that takes long over a
// message never holds a second one back. What is left when the loop ends is released without being counted.
//
// Released messages are delivered by CLAIM alone, so each read claims; without `claimIdle` only what was released.
//
// *Why own pending messages first.* After a reload they would wait for somebody to claim them.

import type { GroupReadOptions, Name, Value } from '../types/index.js'
import { type Group, readPending } from './group.js'
import { Live, PAGE, PAGE_BYTES } from './live.js'
import { type Message, readMessages } from './message.js'
import { COUNT, FLAG, SIGNAL, SIZE, read } from './options.js'

export const GROUP_READ_OPTIONS = { count: COUNT, claimIdle: SIZE, noAck: FLAG, signal: SIGNAL }
/** So many messages are in a batch. */
export const BATCH_LEN = 10
/** An idle time that nothing reaches: only what belongs to nobody is claimed. */
export const CLAIM_RELEASED = 2n ** 63n - 1n

/** A page that is used up in less time is followed by a larger one. */
const SOON_MS = 4

/** An iteration over messages. */
export class GroupRead extends Live<Message> {
  group_: Group
  consumer_: Name
  claimIdle_: Value
  isNoAck_: boolean
  /** The last of the own pending messages that were looked at; none when all were. */
  pendingAfter_: string | undefined = '0-0'
  pageLen_ = 0.5
  pageAt_ = 0

  constructor(group: Group, consumer: Name, given: GroupReadOptions | undefined) {
    const options = read('read', GROUP_READ_OPTIONS, given)
    super(group.stream.engine_, options.count, options.signal)
    this.group_ = group
    this.consumer_ = consumer
    this.claimIdle_ = options.claimIdle ?? CLAIM_RELEASED
    this.isNoAck_ = options.noAck ?? false
  }

  override async fill_(): Promise<void> {
    const isSoon = Date.now() - this.pageAt_ < SOON_MS
    // Without acknowledgement, what was fetched could not be given back.
    if (this.isNoAck_) this.pageLen_ = 1
    else this.pageLen_ = isSoon || this.pageLen_ < 1 ? Math.min(this.pageLen_ * 2, PAGE) : 1
    const count = Math.min(this.pageLen_, this.left_)
    await (this.pendingAfter_ === undefined ? this.fillAny_(count) : this.fillPending_(count, this.pendingAfter_))
  }

  override giveBack_(rest: Message[]): void {
    if (this.isNoAck_) return
    // If the engine has failed there is nobody to give it back to.
    this.group_.nack(rest.map(({ id }) => id), { mode: 'SILENT' }).catch(() => {})
  }

  /** Own pending messages. */
  fillPending_(count: number, after: string): void | Promise<void> {
    const { group_, consumer_, engine_ } = this
    const key = group_.stream.name
    const look = ['XPENDING', key, group_.name, `(${after}`, '+', count, consumer_]
    const fetch = this.words_(count)
    fetch.push('STREAMS', key, after)
    return engine_.enter_(() => {
      if (this.over_ !== undefined) return
      const gone: string[] = []
      const run = engine_.exec_([look, fetch], (reader) => {
        reader.array_()
        reader.check_()
        const known = new Map(readPending(reader).map((one) => [one.id, one]))
        reader.check_()
        this.take_(readMessages(reader, group_, 0, known, gone))
        // Both walk the same list, and the second one may have stopped earlier, by size.
        this.pendingAfter_ = [...known.keys()][this.page_.length + gone.length - 1]
      })
      // What was deleted will never be delivered.
      if (gone.length > 0) group_.ack(gone).catch(() => {})
      return run
    })
  }

  /** Released, idle and new messages. */
  fillAny_(count: number): void | Promise<void> {
    const { group_, engine_ } = this
    const words = this.words_(count)
    words.push('CLAIM', this.claimIdle_, 'BLOCK', 0)
    if (this.isNoAck_) words.push('NOACK')
    words.push('STREAMS', group_.stream.name, '>')
    return this.wait_(words, (reader) => this.take_(readMessages(reader, group_, engine_.now_)))
  }

  words_(count: number): Value[] {
    return ['XREADGROUP', 'GROUP', this.group_.name, this.consumer_, 'COUNT', count, 'MAXSIZE', PAGE_BYTES]
  }

  take_(page: Message[]): void {
    this.page_ = page
    this.at_ = 0
    this.pageAt_ = Date.now()
  }
}
