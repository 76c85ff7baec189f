// A connection to a directory: reads, and the one way in which anything is written.
//
// *Design.* An append is written before `write` returns, as Redis does it with its file: one `write` into the page cache,
// between two questions to the fence. All that takes longer is done one after the other, and appends wait for it:
// whatever begins a new segment, and parts, each of which is synced before anything can name it.
//
// *Why every connection begins a segment.* It never appends behind what another one wrote. So nothing has to be cut off
// a torn end, and what is written after a failed sync goes where none has failed: `newSegment` asks for nothing more.
//
// *Why it copies.* A process may have died after a sync that failed. What it wrote then reads back as long as it is in
// memory, and syncing the file once more would succeed and do nothing. So what is not known to be durable is written
// again with the next root.
//
// *Invariants*
// 1. What a batch stores can be read through this connection only once the fence was asked behind it.
// 2. After a failure that may have left something behind, nothing more is written.
// 3. A file is deleted only when it is durable that nothing names it, and never one of a newer epoch.

import * as fs from 'node:fs'
import type { Awaitable, StorageBatch, StorageConnection, StoredBytes } from '../../types/storage.js'
import { gone } from '../failures.js'
import { concatenate } from '../bytes.js'
import { codeOf, create, type Directory, sync, syncNames, writeAll } from './directory.js'
import { Fence } from './fence.js'
import { CHUNK, encode, FRAME_BYTES } from './frame.js'
import { encodePart, encodeSegment, Log, type Older, type Place } from './log.js'

const SEQUENCE_MAX = Number.MAX_SAFE_INTEGER

/** The files that were written for parts, by the IDs of the parts. */
type Written = (readonly [id: number, name: string])[]

/** What became of a batch: it is written, and it may become durable. */
interface Landed {
  durable_: Awaitable<void>
}

/** A connection; see the head of this file. */
export class Connection implements StorageConnection {
  directory_: Directory
  isReadOnly_: boolean
  fence_: Fence
  log_: Log
  /** The segment that this connection appends to, once it has begun one. */
  fd_: number | undefined
  /** The number for the next file. */
  number_: number
  /** What has to be over before the next batch. */
  before_: Promise<void> | undefined
  /** Is kept when no sync of the segment is under way. */
  syncs_: Promise<void> = Promise.resolve()
  /** Files of parts that are deleted once it is durable that nothing names them. `tidy_` finds the others. */
  unnamed_: string[] = []
  /** Why nothing more is written. */
  broken_: Error | undefined
  isClosed_ = false

  constructor(directory: Directory, isReadOnly: boolean) {
    this.directory_ = directory
    this.isReadOnly_ = isReadOnly
    this.fence_ = new Fence(directory)
    this.log_ = new Log(directory)
    this.number_ = directory.names_().reduce((last, { second_ }) => Math.max(last, second_), 0) + 1
  }

  readManifest(): StoredBytes {
    const log = this.look_()
    if (log.root_ === null) return 'unreadable'
    return log.manifest_ === undefined ? null : log.bytes_(log.manifest_)
  }

  readEpoch(): number {
    this.mustBeOpen_()
    return this.fence_.read_()
  }

  listLog(): readonly [first: number, last: number] | null {
    const sequences = this.look_().sequences_()
    return sequences.length > 0 ? [sequences[0]!, sequences.at(-1)!] : null
  }

  readLog(from: number, bytesMax: number): [sequence: number, bytes: StoredBytes][] {
    const log = this.look_()
    const page: [number, StoredBytes][] = []
    let bytes = 0
    for (const sequence of log.sequences_()) {
      if (sequence < from) continue
      const place = log.chunks_.get(sequence)!
      page.push([sequence, log.bytes_(place)])
      bytes += place.length_
      if (bytes >= bytesMax) break
    }
    return page
  }

  listParts(): number[] {
    return [...this.look_().parts_.keys()]
  }

  readParts(ids: readonly number[]): StoredBytes[] {
    const { parts_ } = this.look_()
    return ids.map((id) => {
      const name = parts_.get(id)
      try {
        return name === undefined ? null : new Uint8Array(fs.readFileSync(this.directory_.at_(name)))
      } catch (error) {
        return codeOf(error) === 'ENOENT' ? null : 'unreadable'
      }
    })
  }

  write(batch: StorageBatch): Awaitable<void> {
    const isAppend = batch.parts.length === 0 && !this.beginsSegment_(batch)
    if (isAppend && this.before_ === undefined) return this.append_(batch, []).durable_
    const landed = (this.before_ ?? Promise.resolve()).then(() => this.perform_(batch)).catch((error) => {
      // A new owner may have deleted what was being written.
      if (!this.isClosed_) this.fence_.check_(batch.epoch)
      throw error
    })
    const over = () => {
      if (this.before_ === before) this.before_ = undefined
    }
    const before = landed.then(over, over)
    this.before_ = before
    return landed.then(({ durable_ }) => durable_)
  }

  close(): void {
    if (this.isClosed_) return
    this.isClosed_ = true
    this.fence_.close_()
    this.log_.close_()
    this.closeSegment_()
  }

  /** What is stored. Another one may write, as long as this connection has not. */
  look_(): Log {
    this.mustBeOpen_()
    if (this.fd_ === undefined && this.log_.isStale_()) this.reload_()
    return this.log_
  }

  reload_(): void {
    const log = new Log(this.directory_)
    this.log_.close_()
    this.log_ = log
  }

  mustBeOpen_(): void {
    if (this.isClosed_) throw gone('it was closed')
  }

  mustWrite_(): void {
    this.mustBeOpen_()
    if (this.isReadOnly_) throw new TypeError('the storage was opened to read only')
    if (this.broken_ !== undefined) throw this.broken_
  }

  beginsSegment_({ claim, manifest, deleteLogUpto, deleteLogFrom, quarantineFrom }: StorageBatch): boolean {
    const isMore = [manifest, deleteLogUpto, deleteLogFrom, quarantineFrom].some((field) => field !== null)
    return claim || isMore || this.fd_ === undefined
  }

  /** Does what takes its time. Nothing else is written meanwhile. */
  async perform_(batch: StorageBatch): Promise<Landed> {
    this.mustWrite_()
    if (batch.claim) await this.fence_.claim_(batch.epoch)
    if (this.isClosed_) this.fence_.close_()
    this.mustWrite_()
    this.fence_.check_(batch.epoch)
    const written = await this.writeParts_(batch)
    if (!this.beginsSegment_(batch)) return this.append_(batch, written)
    await this.begin_(batch, written)
    return { durable_: undefined }
  }

  /** Writes parts, each to a file that nothing names yet. */
  async writeParts_({ epoch, parts }: StorageBatch): Promise<Written> {
    if (parts.length === 0) return []
    const written = await Promise.all(
      parts.map(async ([id, bytes]) => {
        const name = `part-${epoch}-${this.number_++}`
        await create(this.directory_.at_(name), bytes)
        return [id, name] as const
      }),
    )
    await syncNames(this.directory_.path_)
    return written
  }

  /** Appends to the segment, all at once. */
  append_({ epoch, chunks, deleteParts, durable }: StorageBatch, written: Written): Landed {
    this.mustWrite_()
    this.fence_.check_(epoch)
    const log = this.log_
    const file = log.newest_!
    const parts = new Map([...written, ...deleteParts.map((id) => [id, null] as const)])
    const places: [number, Place][] = []
    const pieces: Uint8Array[] = []
    let end = log.end_
    const add = (bytes: Uint8Array) => {
      pieces.push(bytes)
      end += bytes.length
    }
    for (const [id, name] of parts) {
      if (name !== null || log.parts_.has(id)) add(encodePart(id, name, file.salt_, log.durable_))
    }
    for (const [sequence, bytes] of chunks) {
      places.push([sequence, { file_: file, at_: end + FRAME_BYTES, length_: bytes.length }])
      add(encode(CHUNK, sequence, bytes, file.salt_, log.durable_))
    }
    this.writeTail_(concatenate(pieces))
    this.fence_.check_(epoch)
    log.end_ = end
    for (const [sequence, place] of places) log.chunks_.set(sequence, place)
    for (const [id, name] of parts) {
      const before = log.parts_.get(id)
      if (before !== undefined) this.unnamed_.push(before)
      if (name === null) log.parts_.delete(id)
      else log.parts_.set(id, name)
    }
    return { durable_: durable ? this.syncTail_(epoch) : undefined }
  }

  /** Writes behind the end, or leaves it where it was. */
  writeTail_(bytes: Uint8Array): void {
    const { end_ } = this.log_
    try {
      writeAll(this.fd_!, bytes, end_)
    } catch (error) {
      try {
        fs.ftruncateSync(this.fd_!, end_)
      } catch {
        this.broken_ = gone('a write has failed', error)
      }
      throw error
    }
  }

  /**
   * Makes durable what is written. There is one sync at a time, because of two the system tells only one that it failed; and
   * once one has failed, no other says anything.
   */
  async syncTail_(epoch: number): Promise<void> {
    const { log_: log, fd_: fd } = this
    const { end_ } = log
    const unnamed = this.unnamed_.splice(0)
    const synced = this.syncs_.then(() => {
      this.mustWrite_()
      return sync(fd!)
    })
    this.syncs_ = synced.catch((error) => {
      this.broken_ ??= gone('a sync has failed', error)
    })
    await synced
    this.mustWrite_()
    log.durable_ = Math.max(log.durable_, end_)
    for (const name of unnamed) this.directory_.delete_(name)
    this.fence_.check_(epoch)
  }

  /** Begins a new segment, with everything that this batch changes in its root. */
  async begin_(batch: StorageBatch, written: Written): Promise<void> {
    this.mustWrite_()
    // Whoever wrote before is fenced off by now, and all that he was answered is there.
    if (this.fd_ === undefined) this.reload_()
    const { directory_, log_: log } = this
    const { epoch } = batch
    const number = this.number_++
    const bytes = encodeNext(log, batch, written)
    const isWanted = () => {
      this.mustWrite_()
      this.fence_.check_(epoch)
    }
    const aside = asideOf(log, batch)
    if (aside.length > 0) await create(directory_.at_(`quarantine-${epoch}-${number}`), aside)
    const path = directory_.at_(`log-${epoch}-${number}`)
    await create(path, bytes, isWanted)
    try {
      await syncNames(directory_.path_)
      isWanted()
      this.closeSegment_()
      this.reload_()
      this.fd_ = fs.openSync(path, 'r+')
    } catch (error) {
      // It may count, and then nothing may be appended to the one before.
      this.broken_ ??= gone('a new segment could not be made durable', error)
      throw error
    }
    this.tidy_(epoch)
  }

  /** Deletes what nothing names any more. */
  tidy_(epoch: number): void {
    const { name_, root_, parts_ } = this.log_
    const used = new Set([name_, ...root_!.older.map(([name]) => name), ...parts_.values()])
    for (const { name_, kind_, first_ } of this.directory_.names_()) {
      const isOver = kind_ === 'epoch' ? first_ < epoch : /^(log|part)$/.test(kind_) && first_ <= epoch
      if (isOver && !used.has(name_)) this.directory_.delete_(name_)
    }
  }

  /** A file may not be closed while it is being synced: its number would be that of another one. */
  closeSegment_(): void {
    const fd = this.fd_
    this.fd_ = undefined
    if (fd !== undefined) void this.syncs_.then(() => fs.closeSync(fd))
  }
}

/** The sequences that a batch leaves in the log: from the first to the last. */
function staying({ deleteLogUpto, deleteLogFrom, quarantineFrom }: StorageBatch): [first: number, last: number] {
  return [(deleteLogUpto ?? -1) + 1, Math.min(deleteLogFrom ?? SEQUENCE_MAX, quarantineFrom ?? SEQUENCE_MAX) - 1]
}

/** The segment that follows on a log and a batch. */
function encodeNext(log: Log, batch: StorageBatch, written: Written): Uint8Array {
  if (log.root_ === null) throw new Error(`${log.name_} is damaged: nothing was written`)
  const manifest = batch.manifest ?? (log.manifest_ ? log.bytes_(log.manifest_) : null)
  if (manifest === 'unreadable') throw new Error(`the manifest in ${log.name_} cannot be read: nothing was written`)
  const [first, last] = staying(batch)
  const carried = new Map<number, Uint8Array>()
  const needed = new Set<string>()
  let lastOfAll = Math.max(first - 1, Math.min(log.root_.last, last), 0)
  const stays = (sequence: number) => {
    const isThere = sequence >= first && sequence <= last
    if (isThere) lastOfAll = Math.max(lastOfAll, sequence)
    return isThere
  }
  for (const [sequence, place] of log.chunks_) {
    if (!stays(sequence)) continue
    const isDurable = place.file_ !== log.newest_ || place.at_ + place.length_ <= log.durable_
    const bytes = isDurable ? null : log.bytes_(place)
    if (bytes instanceof Uint8Array) carried.set(sequence, bytes)
    else needed.add(place.file_.name_)
  }
  for (const [sequence, bytes] of batch.chunks) if (stays(sequence)) carried.set(sequence, bytes)
  const all: Older[] = [...log.root_.older]
  if (log.name_ !== undefined) all.push([log.name_, log.end_, 0, SEQUENCE_MAX])
  const older = all
    .filter(([name]) => needed.has(name))
    .map(([name, end, from, to]): Older => [name, end, Math.max(from, first), Math.min(to, last)])
  const parts = new Map([...log.parts_, ...written])
  for (const id of batch.deleteParts) parts.delete(id)
  return encodeSegment({ last: lastOfAll, older, parts: [...parts] }, manifest, carried)
}

/** The chunks that a batch puts aside, as far as they can be read, with the frames in front of them. */
function asideOf(log: Log, { chunks, quarantineFrom }: StorageBatch): Uint8Array {
  if (quarantineFrom === null) return new Uint8Array(0)
  const given = new Map(chunks)
  const pieces: Uint8Array[] = []
  for (const sequence of new Set([...log.sequences_(), ...given.keys()])) {
    if (sequence < quarantineFrom) continue
    const bytes = given.get(sequence) ?? log.bytes_(log.chunks_.get(sequence)!)
    if (bytes instanceof Uint8Array) pieces.push(encode(CHUNK, sequence, bytes, 0, 0))
  }
  return concatenate(pieces)
}
