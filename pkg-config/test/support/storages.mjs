// Storages and places for tests of them.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nodeFiles } from 'brooklet/node'

/** A batch that does nothing. */
export const NOTHING = {
  epoch: 1,
  claim: false,
  durable: false,
  parts: [],
  chunks: [],
  manifest: null,
  deleteLogUpto: null,
  deleteLogFrom: null,
  quarantineFrom: null,
  deleteParts: [],
}

export const CLAIM = { ...NOTHING, claim: true, durable: true }

/** A batch with chunks. */
export const chunks = (...all) => ({ ...NOTHING, chunks: all })

/** A directory that is not there yet, in one that is removed. */
export function directoryOf(t) {
  const parent = mkdtempSync(join(tmpdir(), 'brooklet-'))
  t?.after(() => rmSync(parent, { recursive: true, force: true }))
  return join(parent, 'data')
}

/** A place in files, for the contract. */
export function filesPlace() {
  const parent = mkdtempSync(join(tmpdir(), 'brooklet-'))
  const again = () => nodeFiles(join(parent, 'data'))
  return { storage: again(), again, crash: again, dispose: () => rmSync(parent, { recursive: true }) }
}

/** Opens a storage and claims an epoch. */
export async function own(storage, epoch = 1) {
  const connection = await storage.open({ newSegment: false, readOnly: false })
  await connection.write({ ...CLAIM, epoch })
  return connection
}

/** The sequences in the log. */
export const sequencesOf = (connection) => connection.readLog(0, Infinity).map(([sequence]) => sequence)

/** Everything that a connection to files shows, as text. */
export function contentsOf(connection) {
  const ids = connection.listParts().toSorted((one, other) => one - other)
  const values = [connection.readManifest(), ...connection.readLog(0, Infinity).flat(), ...ids, ...connection.readParts(ids)]
  return JSON.stringify(values.map((value) => (value instanceof Uint8Array ? [...value].join() : value)))
}
