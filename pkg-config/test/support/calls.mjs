// Calls of every method of the package, for tests that are about all of them.

import { collect } from './tools.mjs'

export const row = { a: 'x' }
const idempotent = { producer: 'p' }
const { signal } = new AbortController()

/** Calls of each method; together they have every option and say every word. An object is options. */
export const CALLS = {
  'stream.add': [
    [row, { noMkStream: true, maxLen: 9, refs: 'KEEPREF' }],
    [row, { id: '*', minId: '0', approx: true, limit: 9, refs: 'DELREF' }],
    [row, { idempotent, refs: 'ACKED' }],
    [row, { idempotent: { ...idempotent, id: '1' } }],
    [row, { ifLastId: '0-0', id: '*' }],
  ],
  'stream.addMany': [
    [[row], { noMkStream: true, maxLen: 9, refs: 'KEEPREF', signal }],
    [[row], { id: '*', minId: '0', approx: true, limit: 9, refs: 'DELREF' }],
    [[row], { idempotent, refs: 'ACKED' }],
    [[row], { idempotent: { ...idempotent, id: '1' } }],
  ],
  'stream.writable': [
    [{ noMkStream: true, maxLen: 9, refs: 'KEEPREF' }],
    [{ id: '*', minId: '0', approx: true, limit: 9, refs: 'DELREF' }],
    [{ idempotent, refs: 'ACKED' }],
    [{ idempotent: { ...idempotent, id: '1' } }],
  ],
  'stream.range': [
    [{ from: '(1', to: '+', count: 1, signal }],
    [{ from: '-', count: 1 }],
    [{ from: '-', to: '+', reverse: true, count: 1 }],
    [{ from: '-', to: '(5', reverse: true, count: 1 }],
  ],
  'stream.read': [[{ after: '0', count: 1, signal }], [{ after: '+', count: 1 }]],
  'stream.readable': [[{ after: '0', count: 1, signal }], [{ after: '+', count: 1 }]],
  'db.read': [[[{ stream: 's', after: '0' }], { count: 1, signal }], [[{ stream: 's', after: '+' }], { count: 1 }]],
  'stream.length': [[]],
  'stream.delete': [['1-1'], ...['KEEPREF', 'DELREF', 'ACKED'].map((refs) => ['1-1', { refs }])],
  'stream.trim': [
    [{ maxLen: 9, refs: 'KEEPREF' }],
    [{ minId: '0', approx: true, limit: 9, refs: 'DELREF' }],
    [{ maxLen: 9, refs: 'ACKED' }],
  ],
  'stream.info': [[], [{ full: true, count: 1 }]],
  'stream.setId': [['9999999999999-0', { entriesAdded: 99, maxDeletedId: '1-0' }]],
  'stream.configure': [[{ idempotentSeconds: 9, idempotentEntriesMax: 9 }]],
  'stream.recordIdempotent': [['p', '2', '1-1']],
  'stream.group': [['other', { from: '$', mkStream: true, entriesRead: 0 }]],
  'stream.groups': [[]],
  'stream.destroyGroup': [['other']],
  'group.read': [['c', { count: 1, claimIdle: 0, noAck: false, signal }], ['c', { count: 1, noAck: true }]],
  'group.readBatch': [['c', { count: 1, claimIdle: 0, block: 1, noAck: true, signal }], ['c', { after: '0' }]],
  'group.ack': [['1-1']],
  'group.nack': [
    ['1-1', { mode: 'SILENT', retryCount: 1, force: true }],
    ['1-1', { mode: 'FAIL' }],
    ['1-1', { mode: 'FATAL' }],
  ],
  'group.ackDelete': [...['KEEPREF', 'DELREF', 'ACKED'].map((refs) => ['1-1', { refs }])],
  'group.claim': [
    ['c', 0, '1-1', { idle: 0, retryCount: 1, force: true }],
    ['c', 0, '1-1', { time: 1, justId: true, lastId: '1-1' }],
  ],
  'group.autoClaim': [['c', 0, { start: '0', count: 1, justId: true }]],
  'group.pending': [[], [{ from: '-', to: '+', count: 1, consumer: 'c', minIdle: 0 }]],
  'group.consumers': [[]],
  'group.createConsumer': [['d']],
  'group.deleteConsumer': [['d']],
  'group.setId': [['$', { entriesRead: 0 }]],
  'group.info': [[]],
  'group.destroy': [[]],
  'message.ack': [[]],
  'message.nack': [
    [{ mode: 'SILENT', retryCount: 1 }],
    [{ mode: 'FAIL' }],
    [{ mode: 'FATAL' }],
  ],
  'db.inspect': [[]],
}

/** The names of the options among the arguments of a call. */
export function optionsOf(words) {
  return words.filter((word) => word?.constructor === Object && word !== row).flatMap(Object.keys)
}

/** Calls `method` (`stream.add`) of one of the objects, and waits until everything is done that follows from it. */
export async function perform(objects, method, words) {
  const [kind, name] = method.split('.')
  const result = objects[kind][name](...words)
  if (result instanceof WritableStream) return result.getWriter().write(row)
  if (result instanceof ReadableStream) return result.getReader().read()
  return Symbol.asyncIterator in result ? collect(result) : result
}

/** An object of each kind, in a database with two entries, of which one is pending. */
export async function objectsOf(db) {
  const stream = db.stream('s')
  await stream.addMany([row, row], { id: '1-*' })
  const group = await stream.group('g')
  const [message] = await group.readBatch('c', { count: 1 })
  return { db, stream, group, message }
}
