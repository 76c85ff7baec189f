// What XINFO STREAM tells, as objects.

import type { FullStreamInfo, Name, StreamInfo } from '../types/index.js'
import { Entry } from './entry.js'
import type { Reader } from './reply.js'

type RawEntry = [id: string, flat: Name[]]

type Raw = {
  firstEntry: RawEntry | null
  lastEntry: RawEntry | null
  entries: RawEntry[]
  groups: {
    pending: [id: string, consumer: Name, deliveredAt: number, deliveries: number | bigint][]
    consumers: { activeTime: number; pending: [id: string, deliveredAt: number, deliveries: number | bigint][] }[]
  }[]
}

/** Reads either form. */
export function streamInfo(reader: Reader, isFull: boolean): StreamInfo | FullStreamInfo {
  const raw = reader.plain_() as Raw
  if (!isFull) {
    return { ...raw, firstEntry: entry(raw.firstEntry), lastEntry: entry(raw.lastEntry) } as unknown as StreamInfo
  }
  const groups = raw.groups.map((group) => ({
    ...group,
    pending: group.pending.map(([id, consumer, deliveredAt, deliveries]) => {
      // A message that belongs to nobody was delivered at no time.
      const isOwned = deliveredAt > 0
      return {
        id,
        consumer: isOwned ? consumer : null,
        deliveredAt: isOwned ? deliveredAt : null,
        deliveries: count(deliveries),
      }
    }),
    consumers: group.consumers.map((consumer) => ({
      ...consumer,
      activeTime: consumer.activeTime < 0 ? null : consumer.activeTime,
      pending: consumer.pending.map(([id, deliveredAt, deliveries]) => {
        return { id, deliveredAt, deliveries: count(deliveries) }
      }),
    })),
  }))
  return { ...raw, entries: raw.entries.map(entry), groups } as unknown as FullStreamInfo
}

function entry(raw: RawEntry | null): Entry | null {
  return raw === null ? null : new Entry(raw[0], raw[1])
}

function count(deliveries: number | bigint): number {
  return typeof deliveries === 'bigint' ? Infinity : deliveries
}
