// Everything there is, as plain data.
//
// *Design.* The names of the streams are asked for, then each stream, in one task: nothing happens in between, so the parts
// agree with each other.

import type { FullStreamInfo, InspectedGroup, InspectedStream, Inspection, Name } from '../types/index.js'
import type { Engine } from './engine.js'
import { streamInfo } from './info.js'

/** Looks at everything. The engine is ready. */
export function inspect(engine: Engine): Inspection {
  const names = engine.streams_()
  const streams = names.map((name) => {
    const words = ['XINFO', 'STREAM', name, 'FULL', 'COUNT', 1]
    return engine.run_(words, (reader) => summary(name, streamInfo(reader, true) as FullStreamInfo)) as InspectedStream
  })
  return { ...engine.door_!.statistics_(), streams }
}

function summary(name: Name, info: FullStreamInfo): InspectedStream {
  const { length, entriesAdded, recordedFirstEntryId, lastGeneratedId } = info
  const groups = info.groups.map((group): InspectedGroup => {
    const { name, lastDeliveredId, entriesRead, lag, pelCount, nackedCount } = group
    const consumers = group.consumers.map(({ name, pelCount, seenTime, activeTime }) => {
      return { name, pending: pelCount, seenAt: seenTime, activeAt: activeTime }
    })
    return { name, lastDeliveredId, entriesRead, lag, pending: pelCount, released: nackedCount, consumers }
  })
  return { name, length, entriesAdded, firstId: recordedFirstEntryId, lastId: lastGeneratedId, groups }
}
