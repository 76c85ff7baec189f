// A storage in files, for Node, Deno and Bun: a directory, and a witness beside it.
//
// *Design.* What lies in the directory is in src/files/: names (directory.ts), which epochs there were (fence.ts), the log
// with its roots (log.ts), what writes (connection.ts), and who has it open (lock.ts). A local disk is meant: on others
// neither locks nor syncs are what they say.
//
// *Why the witness lies beside the directory.* What it has to notice is mostly somebody who empties the directory, or
// deletes it, or mounts another one in its place. So it is `<directory>.witness` unless a place is given. Where nothing may
// be written there, there is no witness, as on other platforms that have none.

import * as fs from 'node:fs'
import { resolve } from 'node:path'
import type { NodeFilesOptions } from '../types/node.js'
import type { Storage } from '../types/storage.js'
import { Connection } from './files/connection.js'
import { codeOf, create, Directory, remove, tolerantly } from './files/directory.js'
import { lock } from './files/lock.js'

const VALUE_BYTES_MAX = 1 << 20
/** What is said where nothing may be written. */
const FORBIDDEN = /^(EACCES|EPERM|EROFS)$/

/** A storage in a directory. */
export function nodeFiles(path: string, options: NodeFilesOptions = {}): Storage {
  if (typeof path !== 'string' || path === '') throw new TypeError('directory must be a string that is not empty')
  const directory = new Directory(resolve(path))
  const witness = options.witness === undefined ? `${directory.path_}.witness` : options.witness
  let connection: Connection | undefined
  let noted = Promise.resolve()

  const prepare = async () => {
    directory.refuseForeign_()
    await directory.create_()
  }

  return {
    name: `files:${path}`,
    canTear: true,
    losesOnFailedSync: true,
    valueBytesMax: VALUE_BYTES_MAX,

    async lock(how) {
      await prepare()
      return lock(directory, how)
    },

    async open({ readOnly }) {
      if (readOnly) directory.refuseForeign_()
      else await prepare()
      connection?.close()
      connection = new Connection(directory, readOnly)
      return connection
    },

    readWitness() {
      try {
        return witness === null ? null : new Uint8Array(fs.readFileSync(witness))
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return null
        throw error
      }
    },

    writeWitness(bytes) {
      const note = async () => {
        if (witness !== null) await create(witness, bytes)
      }
      const noting = noted.then(note).catch((error) => {
        if (!FORBIDDEN.test(codeOf(error) ?? '')) throw error
      })
      // One after the other: they are written beside in the same file.
      noted = noting.catch(() => {})
      return noting
    },

    destroy() {
      connection?.close()
      // The oldest first: as long as the newest is there, nothing that is left passes for the whole.
      for (const { name_ } of directory.names_()) fs.unlinkSync(directory.at_(name_))
      if (witness !== null) remove(witness)
      tolerantly(() => fs.rmdirSync(directory.path_))
    },

    describe() {
      const sizes = directory.names_().map(({ name_ }) => tolerantly(() => fs.statSync(directory.at_(name_)).size) ?? 0)
      const usage = sizes.reduce((sum, size) => sum + size, 0)
      const disk = tolerantly(() => fs.statfsSync(directory.path_))
      return { persisted: true, usage, quota: disk && usage + disk.bavail * disk.bsize }
    },
  }
}
