// What XINFO STREAM tells, as objects.

import type { FullStreamInfo, Name, StreamInfo } from '../types/index.js'
import { Entry } from './entry.js'
import type { Reader } from './reply.js'
import { deliveries } from './shapes.js'

type RawEntry = [id: string, flat: Name[]]

/** Either form. */
interface Raw {
  firstEntry: RawEntry | null
  lastEntry: RawEntry | null
  entries?: RawEntry[]
  groups: {
    pending: [id: string, consumer: Name, deliveredAt: number, count: number | bigint][]
    consumers: { activeTime: number; pending: [id: string, deliveredAt: number, count: number | bigint][] }[]
  }[]
}

/** Reads either form. */
export function readInfo(reader: Reader): StreamInfo | FullStreamInfo {
  const raw = reader.plain_() as Raw
  const { entries } = raw
  const info =
    entries === undefined
      ? { ...raw, firstEntry: toEntry(raw.firstEntry), lastEntry: toEntry(raw.lastEntry) }
      : { ...raw, entries: entries.map(toEntry), groups: raw.groups.map(toGroup) }
  return info as unknown as FullStreamInfo
}

function toEntry(raw: RawEntry | null): Entry | null {
  return raw && new Entry(...raw)
}

function toGroup(group: Raw['groups'][number]): object {
  return {
    ...group,
    pending: group.pending.map(([id, consumer, time, count]) => {
      // A message that belongs to nobody was delivered at no time.
      const owned = time > 0 ? { consumer, deliveredAt: time } : { consumer: null, deliveredAt: null }
      return { id, ...owned, deliveries: deliveries(count) }
    }),
    consumers: group.consumers.map((consumer) => ({
      ...consumer,
      activeTime: consumer.activeTime < 0 ? null : consumer.activeTime,
      pending: consumer.pending.map(([id, deliveredAt, count]) => ({ id, deliveredAt, deliveries: deliveries(count) })),
    })),
  }
}
