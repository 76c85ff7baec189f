// What there is in a database, in a form that can be sent.

import { COUNTER, digestOf, GROUP, STREAMS } from './rows.mjs'

/** Everything that is compared with what was told. */
export async function look(db) {
  const streams = {}
  for (const name of STREAMS) streams[name] = await lookAt(db.stream(name))
  return {
    durability: await db.durability(),
    counter: Number((await db.call('GET', COUNTER)) ?? 0),
    streams,
    group: await lookAtGroup(db),
  }
}

async function lookAt(stream) {
  const entries = []
  for await (const entry of stream.range()) entries.push([entry.id, entry.get('number'), digestOf(entry)])
  const info = entries.length > 0 || (await stream.length()) > 0 ? await stream.info() : await infoOfEmpty(stream)
  return { entries, length: await stream.length(), lastId: info.lastGeneratedId, entriesAdded: info.entriesAdded }
}

/** A stream without entries may still have been there. */
async function infoOfEmpty(stream) {
  try {
    return await stream.info()
  } catch {
    return { lastGeneratedId: '0-0', entriesAdded: 0 }
  }
}

async function lookAtGroup(db) {
  const groups = await db.stream('jobs').groups().catch(() => [])
  const info = groups.find(({ name }) => name === GROUP)
  if (info === undefined) return { pending: [], total: 0, lastDeliveredId: '0-0' }
  const group = await db.stream('jobs').group(GROUP)
  const pending = await group.pending({ count: 1e6 })
  const { total } = await group.pending()
  const rows = pending.map(({ id, consumer, deliveries }) => [id, consumer, deliveries])
  return { pending: rows, total, lastDeliveredId: info.lastDeliveredId }
}
