import type { Storage } from './storage.js'

export type { Storage }

/** How files are stored. */
export interface NodeFilesOptions {
  /**
   * The file of the witness, which notices that everything else was deleted. `<directory>.witness` by default; null is
   * none. It is of use only where it is not deleted together with the directory.
   */
  witness?: string | null | undefined
}

/**
 * A storage in a directory of a local disk, for Node, Deno and Bun. The directory is created when it is opened, for this
 * user alone; one in which there is something else is refused.
 *
 * What is written survives the end of the process; what is durable (`fdatasync`) survives the loss of power. One process
 * has it open at a time: the lock of a process that has died is taken over at once, and one that was stopped while another
 * took over cannot write any more.
 *
 * @throws {TypeError} if the directory is not a string.
 */
export function nodeFiles(directory: string, options?: NodeFilesOptions): Storage
