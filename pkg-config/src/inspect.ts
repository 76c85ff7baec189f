// Everything there is, as plain data.
//
// *Design.* The names of the streams are asked for, then each stream, in one task: nothing happens in between, so the
// parts agree with each other.

import type { FullStreamInfo, Inspection, Name } from '../types/index.js'
import type { Engine } from './engine.js'
import { readInfo } from './info.js'
import { readPlain } from './shapes.js'
import { APPLIED } from './stored.js'

/** Looks at everything. The engine is ready. */
export function inspect(engine: Engine): Inspection {
  const door = engine.door_!
  const now = engine.tick_()
  door.enter_('names', 0)
  const names = engine.reply_((reader) => reader.value_() as Name[], APPLIED) as Name[]
  const streams = names.map((name) => {
    const words = ['XINFO', 'STREAM', name, 'FULL', 'COUNT', 1]
    const { entries, ...rest } = engine.runNow_(words, readInfo, now) as FullStreamInfo
    return { name, ...rest }
  })
  door.enter_('statistics')
  const statistics = engine.reply_(readPlain<Omit<Inspection, 'streams'>>, APPLIED) as Omit<Inspection, 'streams'>
  return { ...statistics, streams }
}
