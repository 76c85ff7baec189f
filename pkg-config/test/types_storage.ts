// The types of storages and of what tests them, by use. Compiled by `npm run check`, never run.

import { type NodeFilesOptions, type Storage, nodeFiles } from 'brooklet/node'
import {
  type FaultyStorage,
  type StorageCheck,
  type StorageChecks,
  type VirtualClock,
  checkStorage,
  faults,
  memory,
  virtualClock,
} from 'brooklet/testing'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** Fails to compile unless both types are the same. */
function same<A, B>(..._: Same<A, B> extends true ? [] : ['the types differ', A, B]): void {}

const files = nodeFiles('./data', { witness: null })
same<typeof files, Storage>()
same<NodeFilesOptions['witness'], string | null | undefined>()
// @ts-expect-error: a directory is a string
nodeFiles(new URL('file:///data'))
// @ts-expect-error: there is no such option
nodeFiles('./data', { wittness: null })

const checks = checkStorage(() => ({ storage: memory(), again: () => memory() }), { seed: 1, histories: 2, steps: 3 })
same<typeof checks, StorageChecks>()
for (const check of checks) same<typeof check, StorageCheck>()
same<Awaited<typeof checks>, void>()
checkStorage(async () => ({ storage: files, crash: async () => files, dispose: async () => {} }))

const faulty = faults(memory(), { sync: false })
same<typeof faulty, FaultyStorage>()
faulty.inject('sync', { with: 'quota', skip: 1, times: Infinity, landed: true })
// @ts-expect-error: there is no such operation
faulty.inject('fsync', { with: 'io' })
// @ts-expect-error: there is no such fault
faulty.inject('write', { with: 'fire' })
faulty.flip({ chunk: 1 }, 0)
faulty.flip('manifest', 0)
same<typeof faulty.counts.write, number>()
// @ts-expect-error: they are only read
faulty.counts.write = 0

const clock = virtualClock()
same<typeof clock, VirtualClock>()
const asOption: () => number = clock
asOption()
