// The fence: which epochs were claimed, and whether one of them is above ours.
//
// *Design.* A file for each epoch, created by who claims it; the highest number counts. Whoever claims writes a byte into
// the files of all epochs below. So whether an epoch still is the newest costs an owner one question about a file that he
// has open, and he asks it after each write, before he answers.
//
// *Why that is enough.* A write is answered if the byte was not there after the write had landed. Whoever claims reads
// after he has written the byte, so he reads what was answered. What an owner does who was stopped before he could ask,
// and goes on when another one has taken over, lands where nobody reads: see log.ts.
//
// *Why not list the directory after each write.* With a thousand parts that takes 1.1 ms, and the question 3 us.
//
// *Invariants*
// 1. When a claim is answered, the files of all lower epochs are marked or gone, and no higher one was there after its own
//    had been created.
// 2. A file is marked before it is deleted, so who has it open learns of it.

import * as fs from 'node:fs'
import { fenced } from '../failures.js'
import { codeOf, type Directory, sync, syncNames, tolerantly, writeAll } from './directory.js'

const MARK = Uint8Array.of(0x2b)

/** A fence; see the head of this file. */
export class Fence {
  directory_: Directory
  /** The newest epoch that was seen, and its file. */
  newest_ = 0
  fd_: number | undefined

  constructor(directory: Directory) {
    this.directory_ = directory
  }

  /** Claims an epoch, which has to be above all others. */
  async claim_(epoch: number): Promise<void> {
    const before = this.read_()
    if (epoch <= before) throw fenced(epoch, before)
    const fd = this.directory_.claim_(`epoch-${epoch}`)
    if (fd === null) throw fenced(epoch, epoch)
    try {
      await sync(fd, 'fsync')
      await syncNames(this.directory_.path_)
      for (const { name_, first_ } of this.directory_.names_('epoch')) {
        if (first_ < epoch) this.mark_(name_)
      }
      const newest = this.read_()
      if (epoch < newest) throw fenced(epoch, newest)
    } catch (error) {
      fs.closeSync(fd)
      throw error
    }
    this.close_()
    this.fd_ = fd
    this.newest_ = epoch
  }

  /** Fails if an epoch above this one was claimed. */
  check_(epoch: number): void {
    if (this.fd_ === undefined || fs.fstatSync(this.fd_).size > 0) this.look_()
    if (epoch < this.newest_) throw fenced(epoch, this.newest_)
  }

  /** The newest epoch; of one that was claimed there is a log, too. */
  read_(): number {
    const names = this.directory_.names_().filter(({ kind_ }) => /^(epoch|log)$/.test(kind_))
    return names.at(-1)?.first_ ?? 0
  }

  close_(): void {
    if (this.fd_ !== undefined) fs.closeSync(this.fd_)
    this.fd_ = undefined
  }

  /** Marks the file of an epoch. One that is gone was marked by who deleted it. */
  mark_(name: string): void {
    let fd
    try {
      fd = fs.openSync(this.directory_.at_(name), 'r+')
      writeAll(fd, MARK, 0)
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
    } finally {
      if (fd !== undefined) fs.closeSync(fd)
    }
  }

  /** Finds the newest epoch, and opens its file. It still has to be the newest then, or its mark may come too early. */
  look_(): void {
    for (let newest; (newest = this.read_()) !== this.newest_ || this.fd_ === undefined; ) {
      const isSeen = newest === this.newest_
      this.close_()
      this.newest_ = newest
      this.fd_ = tolerantly(() => fs.openSync(this.directory_.at_(`epoch-${newest}`), 'r'))
      if (this.fd_ === undefined && isSeen) return
    }
  }
}
