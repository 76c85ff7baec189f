// Messages: entries that a group delivered, with what the group knows of them.

import type { NackMode } from '../types/index.js'
import { Entry } from './entry.js'
import type { Group } from './group.js'
import type { Reader } from './reply.js'
import { deliveries, unawaited } from './shapes.js'

type Text = string | Uint8Array

/** What a group knows of a pending message. */
export interface Delivered {
  idle: number | null
  deliveries: number
}

/** A message. */
export class Message extends Entry {
  #group: Group
  readonly deliveries: number
  readonly idle: number | null

  constructor(id: string, flat: readonly Text[], group: Group, deliveries: number, idle: number | null) {
    super(id, flat)
    this.#group = group
    this.deliveries = deliveries
    this.idle = idle
  }

  ack(): Promise<boolean> {
    return unawaited(this.#group.ack(this.id).then(isAny))
  }

  nack(options?: { mode?: NackMode; retryCount?: number }): Promise<boolean> {
    return unawaited(this.#group.nack(this.id, options).then(isAny))
  }
}

const isAny = (count: number) => count > 0

/**
 * Reads what XREADGROUP delivered, of the one stream that was named. What the reply does not say of a message is taken
 * from `known`. Entries that are gone are left out; their IDs are put into `gone`.
 */
export function readMessages(
  reader: Reader,
  group: Group,
  nowMs: number,
  known?: ReadonlyMap<string, Delivered>,
  gone: string[] = [],
): Message[] {
  const messages: Message[] = []
  if (reader.array_() < 0) return messages
  reader.text_()
  for (let left = reader.array_(); left > 0; left--) {
    const isTold = reader.array_() === 4
    const id = reader.id_()!
    const fields = reader.fields_()
    const { idle, deliveries } = isTold ? readDelivered(reader, nowMs) : (known?.get(id) ?? UNKNOWN)
    if (fields === undefined) gone.push(id)
    else messages.push(new Message(id, fields, group, deliveries + 1, idle))
  }
  return messages
}

/** What is known of a message of which the reply says nothing. */
const UNKNOWN: Delivered = { idle: null, deliveries: 0 }

function readDelivered(reader: Reader, nowMs: number): Delivered {
  const idle = reader.integer_()
  // Nobody's messages were delivered at the beginning of time.
  return { idle: idle === Math.floor(nowMs) ? null : idle, deliveries: deliveries(reader.value_()) }
}
