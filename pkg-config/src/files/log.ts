// What is stored: a log in segments, and with it the manifest and the list of parts.
//
// *Design.* A segment is a file `log-<epoch>-<number>`. It begins with a root, which says all that was true when the
// segment was begun: the manifest, which parts there are, and what counts of older segments. Behind the root stands what
// happened since then: chunks, and parts that came and went. The segment with the highest epoch, and the highest number
// in it, is the one whose root counts; it is the only one to which anything is appended, and by one connection only.
//
// Whatever is more than an append begins a new segment: a claim, a manifest, a deletion, a new connection. It is written
// beside, synced, and renamed. So such a batch happens as a whole, however the process ends; the manifest and the end of
// the log that it covers are one rename; and what a root names is durable before the root is.
//
// What a root says of an older segment is how many of its bytes count, and which sequences in them. An owner who was
// stopped, lost his epoch, and wakes up in the middle of an append, writes behind those bytes. If he renames a new segment,
// it is of a lower epoch than the one that the new owner began when he claimed. Nobody ever reads either.
//
// *Why not end older segments where a newer one begins.* It has to be known where that is before its first chunk is
// there, and until then the old owner would write into what counts.
//
// *Why not a manifest in a file of its own.* Two renames are two moments. Between them the manifest would be that of the
// new owner and the log that of the old one, or the other way round.
//
// *Damage.* Where no frame stands where one should, the next one is looked for, and what is between them is shown as one
// chunk, for recovery to judge. So the end of an append that was cut short is shown as well. A chunk that goes beyond the
// end of its file is shown as far as it is there. A root that cannot be read is never passed over for an older one.
//
// *Invariants*
// 1. Of two chunks with the same sequence the later one counts, in the order of segments and of frames, if it is whole: who
//    repeats what was written must not lose it by being cut short.
// 2. Older segments are only read.

import * as fs from 'node:fs'
import type { StoredBytes } from '../../types/storage.js'
import { concatenate } from '../bytes.js'
import { codeOf, type Directory, tolerantly } from './directory.js'
import { CHUNK, checkOf, decode, encode, FRAME_BYTES, type Frame, HEAD, MANIFEST, PART, PART_END } from './frame.js'

/** So much is read at a time in search of frames. */
const WINDOW_BYTES = 65_536

/** What counts of an older segment: so many bytes, and in them the sequences from the first to the last. */
export type Older = [name: string, end: number, first: number, last: number]

const VERSION = 1

/** The body of the first frame of a segment, as JSON. */
export interface Root {
  /** One that is not known is of a newer version, and is not touched. */
  version: number
  /** The last sequence that there was: damage is shown behind it. */
  last: number
  older: Older[]
  /** The IDs of parts and in which files they are. */
  parts: [id: number, name: string][]
  hasManifest: boolean
}

/** Where a chunk is. */
export interface Place {
  file_: File
  at_: number
  length_: number
}

const ENCODER = new TextEncoder()
const DECODER = new TextDecoder()

/** A segment that can be read. */
export class File {
  name_: string
  fd_: number
  salt_ = 0
  window_: Uint8Array = new Uint8Array(0)
  windowAt_ = 0

  constructor(name: string, fd: number) {
    this.name_ = name
    this.fd_ = fd
  }

  /** So many bytes from there on, or as many as there are. */
  read_(at: number, length: number): Uint8Array {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, fs.fstatSync(this.fd_).size - at)))
    let done = 0
    for (let count = -1; count !== 0 && done < bytes.length; done += count) {
      count = fs.readSync(this.fd_, bytes, done, bytes.length - done, at + done)
    }
    return bytes.subarray(0, done)
  }

  /** The frame that stands there, if one does. */
  frame_(at: number): Frame | null {
    const offset = at - this.windowAt_
    if (offset < 0 || offset + FRAME_BYTES > this.window_.length) {
      this.window_ = this.read_(at, WINDOW_BYTES)
      this.windowAt_ = at
    }
    return decode(this.window_.subarray(at - this.windowAt_), this.salt_)
  }

  /** The body of a frame that carries a check of it; null if it is damaged. */
  text_(at: number, { kind_, length_, check_ }: Frame): string | null {
    const body = this.read_(at + FRAME_BYTES, length_)
    return body.length === length_ && checkOf(kind_, body) === check_ ? DECODER.decode(body) : null
  }
}

/** What is stored, as one connection sees it; see the head of this file. */
export class Log {
  directory_: Directory
  /** The newest segment, its end, and how much of it is durable. */
  name_: string | undefined
  newest_: File | undefined
  end_ = 0
  durable_ = 0
  /** The root that counts; null if it is damaged. */
  root_: Root | null = { version: VERSION, last: 0, older: [], parts: [], hasManifest: false }
  manifest_: Place | undefined
  chunks_ = new Map<number, Place>()
  parts_ = new Map<number, string>()
  files_: File[] = []

  /** What is stored now. */
  constructor(directory: Directory) {
    this.directory_ = directory
    this.name_ = this.find_()
    try {
      if (this.name_ !== undefined) this.load_(this.name_)
    } catch (error) {
      this.close_()
      throw error
    }
  }

  /** Whether there is a newer segment, or more in this one. */
  isStale_(): boolean {
    return this.find_() !== this.name_ || (this.newest_ ? fs.fstatSync(this.newest_.fd_).size : 0) !== this.end_
  }

  /** The sequences of the chunks, in order. */
  sequences_(): number[] {
    return [...this.chunks_.keys()].sort((one, other) => one - other)
  }

  /** What stands in a place. */
  bytes_(place: Place): StoredBytes {
    return tolerantly(() => place.file_.read_(place.at_, place.length_)) ?? 'unreadable'
  }

  /** Closes all files. */
  close_(): void {
    for (const { fd_ } of this.files_.splice(0)) fs.closeSync(fd_)
  }

  find_(): string | undefined {
    return this.directory_.names_('log').findLast(({ isTemporary_ }) => !isTemporary_)?.name_
  }

  /** Reads the root, what counts of older segments, and what was appended since. */
  load_(name: string): void {
    const file = this.open_(name)
    this.end_ = fs.fstatSync(file.fd_).size
    const [root, begin, durable] = readRoot(file)
    this.root_ = root
    this.durable_ = durable
    this.newest_ = file
    if (root === null) return
    for (const older of root.older) this.loadOlder_(older, root.last)
    this.parts_ = new Map(root.parts)
    let at = begin
    if (root.hasManifest) {
      const frame = file.frame_(at)
      if (frame?.kind_ !== MANIFEST) {
        this.root_ = null
        return
      }
      this.manifest_ = { file_: file, at_: at + FRAME_BYTES, length_: frame.length_ }
      at += FRAME_BYTES + frame.length_
    }
    this.walk_(file, at, this.end_, root.last)
  }

  /** Reads what counts of an older segment. If none of it can be found any more, that is shown as its last chunk. */
  loadOlder_([name, end, first, last]: Older, lastOfAll: number): void {
    let file
    try {
      file = this.open_(name)
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
      file = new File(name, -1)
    }
    const [root, begin] = file.fd_ < 0 ? [null, 0] : readRoot(file)
    if (root === null) this.chunks_.set(Math.min(last, lastOfAll), { file_: file, at_: 0, length_: end })
    else this.walk_(file, begin, end, root.last, (sequence) => sequence < first || sequence > last)
  }

  /** Finds what stands in a segment from there on. Of an older one only chunks count: the root has the rest. */
  walk_(file: File, begin: number, end: number, before: number, isDeleted?: (sequence: number) => boolean): void {
    const frameAt = (at: number) => (at + FRAME_BYTES <= end ? file.frame_(at) : null)
    const put = (sequence: number, at_: number, length_: number, isWhole: boolean) => {
      if (isDeleted?.(sequence) || (!isWhole && this.chunks_.has(sequence))) return
      this.chunks_.set(sequence, { file_: file, at_, length_ })
    }
    let last = before
    for (let at = begin; at < end; ) {
      const frame = frameAt(at)
      if (frame === null) {
        let next = at + 1
        while (next < end && frameAt(next) === null) next++
        put(++last, at, next - at, false)
        at = next
        continue
      }
      const { kind_, number_, durable_, length_ } = frame
      const body = at + FRAME_BYTES
      if (kind_ === CHUNK) {
        last = number_
        put(number_, body, Math.min(length_, end - body), body + length_ <= end)
      } else if (isDeleted === undefined) {
        const name = kind_ === PART ? file.text_(at, frame) : null
        if (name !== null) this.parts_.set(number_, name)
        else if (kind_ === PART_END) this.parts_.delete(number_)
      }
      if (isDeleted === undefined) this.durable_ = Math.max(this.durable_, durable_)
      at = body + length_
    }
  }

  open_(name: string): File {
    const file = new File(name, fs.openSync(this.directory_.at_(name), 'r'))
    this.files_.push(file)
    return file
  }
}

/** The root of a segment, null if it is damaged; where its frame ends; how much was durable from the beginning. */
function readRoot(file: File): [root: Root | null, end: number, durable: number] {
  const frame = file.frame_(0)
  const text = frame?.kind_ === HEAD ? file.text_(0, frame) : null
  if (text === null) return [null, 0, 0]
  const root: Root = JSON.parse(text)
  if (root.version !== VERSION) {
    throw new Error(`${file.name_} was written by a newer version: open it with that one. Nothing was changed`)
  }
  file.salt_ = frame!.number_
  return [root, FRAME_BYTES + frame!.length_, frame!.durable_]
}

/** The bytes of a new segment: a root, and the chunks that come with it. All of them are durable before they count. */
export function encodeSegment(
  root: Omit<Root, 'version' | 'hasManifest'>,
  manifest: Uint8Array | null,
  chunks: Iterable<readonly [sequence: number, bytes: Uint8Array]>,
): Uint8Array {
  const salt = Math.floor(Math.random() * 2 ** 32)
  const behind: Uint8Array[] = []
  if (manifest !== null) behind.push(encode(MANIFEST, 0, manifest, salt, 0))
  for (const [sequence, bytes] of chunks) behind.push(encode(CHUNK, sequence, bytes, salt, 0))
  const text = ENCODER.encode(JSON.stringify({ version: VERSION, ...root, hasManifest: manifest !== null }))
  const size = behind.reduce((sum, { length }) => sum + length, FRAME_BYTES + text.length)
  return concatenate([encode(HEAD, salt, text, 0, size), ...behind])
}

/** A record of a part, or of its end. */
export function encodePart(id: number, name: string | null, salt: number, durable: number): Uint8Array {
  return encode(name === null ? PART_END : PART, id, ENCODER.encode(name ?? ''), salt, durable)
}
