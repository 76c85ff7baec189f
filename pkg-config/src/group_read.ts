// Reading through a group, for ever: own pending messages, then released and idle ones, then new ones.
//
// *Design.* What is fetched belongs to this consumer and is kept from others, so no more is fetched than is soon
// handed over: pages begin with one message and double while they are used up in no time. A consumer that takes long
// over a message never holds a second one back. What is left when the loop ends is released without being counted.
//
// Released messages are delivered by CLAIM alone, so each read claims; without `claimIdle` only what was released.
//
// *Why own pending messages first.* After a reload they would wait for somebody to claim them.

import type { GroupReadOptions, Name } from '../types/index.js'
import type { Group } from './group.js'
import { Live, PAGE, PAGE_BYTES } from './live.js'
import { type Message, readMessages } from './message.js'
import { read } from './options.js'
import type { Words } from './request.js'
import { ID_MAX, readPending, unawaited } from './shapes.js'

export const GROUP_READ_OPTIONS = 'count claimIdle noAck signal'
/** An idle time that nothing reaches: only what belongs to nobody is claimed. */
export const CLAIM_RELEASED = 2n ** 63n - 1n

/** A page that is used up in less time is followed by a larger one. */
const SOON_MS = 4

/** An iteration over messages. */
export function groupRead(group: Group, consumer: Name, given: GroupReadOptions | undefined): Live<Message> {
  const options = read(GROUP_READ_OPTIONS, given)
  const { claimIdle = CLAIM_RELEASED, noAck } = options
  const { name, stream } = group
  const key = stream.name
  const engine = stream.engine_
  /** The last of the own pending messages that were looked at; none when all were. */
  let pendingAfter: string | undefined = '0-0'
  let pageLen = 1
  let pageAt: number | undefined

  return new Live<Message>(engine, options, fill, (rest) => {
    // If the engine has failed there is nobody to give it back to.
    if (!noAck) unawaited(group.nack(rest.map(({ id }) => id), { mode: 'SILENT' }))
  })

  async function fill(live: Live<Message>): Promise<void> {
    // Without acknowledgement, what was fetched could not be given back.
    if (pageAt !== undefined) pageLen = noAck || Date.now() - pageAt > SOON_MS ? 1 : Math.min(pageLen * 2, PAGE)
    const count = Math.min(pageLen, live.left_)
    const fetch = ['XREADGROUP', 'GROUP', name, consumer, 'COUNT', count, 'MAXSIZE', PAGE_BYTES]
    await (pendingAfter === undefined ? fillAny(live, fetch) : fillPending(live, fetch, count, pendingAfter))
    pageAt = live.page_.length > 0 ? Date.now() : undefined
  }

  /** Own pending messages. */
  function fillPending(live: Live<Message>, fetch: Words, count: number, after: string): void | Promise<void> {
    return live.enter_(() => {
      const gone: string[] = []
      const look = ['XPENDING', key, name, `(${after}`, '+', count, consumer]
      const run = engine.exec_([look, [...fetch, 'STREAMS', key, after]], (reader) => {
        reader.array_()
        reader.check_()
        const known = new Map(readPending(reader).map((one) => [one.id, one]))
        reader.check_()
        live.take_(readMessages(reader, group, 0, known, gone))
        // Both walk the same list, and the second one may have stopped earlier, by size.
        pendingAfter = [...known.keys()][live.page_.length + gone.length - 1]
        if (pendingAfter === ID_MAX) pendingAfter = undefined
      })
      // What was deleted will never be delivered.
      if (gone.length > 0) unawaited(group.ack(gone))
      return run
    })
  }

  /** Released, idle and new messages. */
  function fillAny(live: Live<Message>, fetch: Words): void | Promise<void> {
    const words = [...fetch, 'CLAIM', claimIdle, 'BLOCK', 0, ...(noAck ? ['NOACK'] : []), 'STREAMS', key, '>']
    return live.wait_(words, (reader) => live.take_(readMessages(reader, group, engine.now_)))
  }
}
