// The contract of storages: ours keep to it, and whatever breaks one of its rules is noticed.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { checkStorage, faults, memory } from 'brooklet/testing'
import { filesPlace, NOTHING } from './support/storages.mjs'

const PLACES = {
  'memory()': () => ({ storage: memory() }),
  'nodeFiles()': filesPlace,
  'faults(memory())': () => ({ storage: faults(memory()) }),
  'faults(memory()), later': () => ({ storage: faults(memory(), { sync: false }) }),
}

/** Checks that are left out, and why. */
const LEFT_OUT = {
  'faults(memory()), later': { 'whoever waits gets the lock when it is let go': 'the lock of a memory() never waits' },
}

for (const [place, make] of Object.entries(PLACES)) {
  describe(place, () => {
    for (const { name, run } of checkStorage(make)) test(name, { skip: LEFT_OUT[place]?.[name] ?? false }, run)
  })
}

/** A storage in memory of which connections are changed. `given` has what one connection tells the next. */
function changed(change) {
  const storage = memory()
  const given = {}
  return { ...storage, open: (how) => apply(storage.open(how), (inner) => change(inner, given, how)) }
}

function apply(inner, change) {
  return { ...inner, ...change(inner) }
}

const fencedOff = (name = 'FencedError') => {
  throw Object.assign(new Error('planted'), { name })
}

/** Writes what of a batch an old owner may not write, and then fails as he should. */
const landing = (pick) => (inner) => ({
  write(batch) {
    const newest = inner.readEpoch()
    if (batch.epoch >= newest) return inner.write(batch)
    inner.write({ ...NOTHING, epoch: newest, ...pick(batch) })
    fencedOff()
  },
})

const writing = (alter) => (inner) => ({ write: (batch) => inner.write(alter(batch, inner)) })

/** What is wrong with each, and how. */
const BROKEN = {
  'no fence': () => changed(writing((batch, inner) => ({ ...batch, epoch: Math.max(batch.epoch, inner.readEpoch()) }))),
  'a stale chunk lands': () => changed(landing(({ chunks }) => ({ chunks }))),
  'a stale part lands': () => changed(landing(({ parts }) => ({ parts }))),
  'a stale manifest lands': () => changed(landing(({ manifest }) => ({ manifest }))),
  'a stale end of the log lands': () => changed(landing(({ deleteLogUpto }) => ({ deleteLogUpto }))),
  'a stale cut lands': () => changed(landing(({ deleteLogFrom }) => ({ deleteLogFrom }))),
  'a stale quarantine lands': () => changed(landing(({ quarantineFrom }) => ({ quarantineFrom }))),
  'stale deletions of parts land': () => changed(landing(({ deleteParts }) => ({ deleteParts }))),
  'one in a hundred stale writes lands': () =>
    changed((inner, given) =>
      landing(({ chunks }) => ({ chunks: (given.count = (given.count ?? 0) + 1) % 100 === 21 ? chunks : [] }))(inner),
    ),
  'being fenced off is told wrongly': () =>
    changed((inner) => ({
      write: (batch) => (batch.epoch < inner.readEpoch() ? fencedOff('Error') : inner.write(batch)),
    })),
  'an epoch is claimed twice': () =>
    changed(writing((batch, inner) => ({ ...batch, claim: batch.claim && batch.epoch !== inner.readEpoch() }))),
  'claims are counted': () =>
    changed((inner, given) => ({
      readEpoch: () => given.claims ?? inner.readEpoch(),
      write(batch) {
        inner.write(batch)
        if (batch.claim) given.claims = (given.claims ?? 0) + 1
      },
    })),
  'the order is that of texts': () =>
    changed((inner) => ({
      readLog: (from, max) => inner.readLog(from, max).toSorted(([one], [other]) => (`${one}` < `${other}` ? -1 : 1)),
    })),
  'sequences have 32 bits': () =>
    changed(writing((batch) => ({ ...batch, chunks: batch.chunks.map(([sequence, bytes]) => [sequence >>> 0, bytes]) }))),
  'a chunk that is there stays': () =>
    changed(
      writing((batch, inner) => ({
        ...batch,
        chunks: batch.chunks.filter(([sequence]) => inner.readLog(sequence, 0)[0]?.[0] !== sequence),
      })),
    ),
  'a part that is there stays': () =>
    changed(
      writing((batch, inner) => ({ ...batch, parts: batch.parts.filter(([id]) => inner.readParts([id])[0] === null) })),
    ),
  'too few chunks are deleted': () =>
    changed(
      writing((batch) => ({ ...batch, deleteLogUpto: batch.deleteLogUpto === null ? null : batch.deleteLogUpto - 1 })),
    ),
  'one chunk too few is cut off': () =>
    changed(
      writing((batch) => ({ ...batch, deleteLogFrom: batch.deleteLogFrom === null ? null : batch.deleteLogFrom + 1 })),
    ),
  'the quarantine is read': () => changed(writing((batch) => ({ ...batch, quarantineFrom: null }))),
  'bytesMax is not heeded': () => changed((inner) => ({ readLog: (from) => inner.readLog(from, Infinity) })),
  'with bytesMax 0 nothing is read': () =>
    changed((inner) => ({ readLog: (from, max) => (max === 0 ? [] : inner.readLog(from, max)) })),
  'the first sequence stays': () =>
    changed((inner) => ({ listLog: () => inner.listLog() && [1, inner.listLog()[1]] })),
  'missing parts are left out': () =>
    changed((inner) => ({ readParts: (ids) => inner.readParts(ids).filter((bytes) => bytes !== null) })),
  'parts are read in their own order': () =>
    changed((inner) => ({ readParts: (ids) => inner.readParts(ids.toSorted((one, other) => one - other)) })),
  'deleting a missing part fails': () =>
    changed(
      writing((batch, inner) =>
        batch.deleteParts.every((id) => inner.listParts().includes(id)) ? batch : fencedOff('NotFoundError'),
      ),
    ),
  'the end of a longer manifest stays': () =>
    changed(
      writing((batch, inner) => {
        if (batch.manifest === null) return batch
        const before = [...(inner.readManifest() ?? [])].slice(batch.manifest.length)
        return { ...batch, manifest: Uint8Array.from([...batch.manifest, ...before]) }
      }),
    ),
  'it deletes before it stores': () =>
    changed((inner) => ({
      write(batch) {
        const { epoch, deleteLogUpto, deleteLogFrom, quarantineFrom, deleteParts } = batch
        if (!batch.claim) inner.write({ ...NOTHING, epoch, deleteLogUpto, deleteLogFrom, quarantineFrom, deleteParts })
        inner.write({ ...batch, deleteLogUpto: null, deleteLogFrom: null, quarantineFrom: null, deleteParts: [] })
      },
    })),
  'an empty value is none': () =>
    changed((inner) => ({ readParts: (ids) => inner.readParts(ids).map((bytes) => (bytes?.length ? bytes : null)) })),
  'large values are cut': () =>
    changed(
      writing((batch) => ({ ...batch, chunks: batch.chunks.map(([key, bytes]) => [key, bytes.subarray(0, 65_535)]) })),
    ),
  'what is not durable is lost with the connection': () =>
    changed((inner) => {
      const later = []
      return {
        write(batch) {
          if (batch.durable) for (const one of later.splice(0)) inner.write(one)
          if (batch.durable || batch.epoch < inner.readEpoch()) inner.write(batch)
          else later.push(batch)
        },
      }
    }),
  'an empty batch fails': () =>
    changed(writing((batch) => (batch.chunks.length || batch.manifest || batch.claim ? batch : fencedOff('Error')))),
  'an old connection goes on': () => {
    const storage = memory()
    const inner = storage.open({ newSegment: false, readOnly: false })
    return { ...storage, open: () => ({ ...inner, close() {} }) }
  },
  'who reads only sees no manifest': () =>
    changed((inner, _, { readOnly }) => (readOnly ? { readManifest: () => null } : {})),
  'what is read is what is stored': () =>
    changed((inner, given) => ({
      readManifest: () => (given.manifest ??= inner.readManifest()),
    })),
  'what was given is what is stored': () =>
    changed((inner, given) => ({
      write(batch) {
        inner.write(batch)
        if (batch.manifest) given.manifest = batch.manifest
      },
      readManifest: () => given.manifest?.slice() ?? inner.readManifest(),
    })),
  'the answer comes later than it says': () => changed((inner) => ({ listParts: async () => inner.listParts() })),
  'destroying leaves the epoch': () => {
    const storage = memory()
    const epochs = []
    const open = (how) =>
      apply(storage.open(how), (inner) => ({
        readEpoch: () => Math.max(inner.readEpoch(), ...epochs),
        write(batch) {
          inner.write(batch)
          epochs.push(batch.epoch)
        },
      }))
    return { ...storage, open }
  },
  'the first witness stays': () => {
    const storage = memory()
    return { ...storage, writeWitness: (bytes) => storage.readWitness() ?? storage.writeWitness(bytes) }
  },
  'everybody gets the lock': () => ({ ...memory(), lock: () => () => {} }),
  'a lock is let go by whoever had it': () => {
    const storage = memory()
    let letGo = () => {}
    const lock = (how) => {
      const taken = storage.lock(how)
      letGo = taken
      return () => letGo()
    }
    return { ...storage, lock }
  },
  'a lock cannot be stolen': () => {
    const storage = memory()
    return { ...storage, lock: () => storage.lock({ wait: 0, steal: false }) }
  },
  'being locked out is told wrongly': () => {
    const storage = memory()
    const lock = (how) => {
      try {
        return storage.lock(how)
      } catch {
        return fencedOff('Error')
      }
    }
    return { ...storage, lock }
  },
}

test('whatever breaks a rule is noticed', async (t) => {
  const missed = []
  for (const [name, make] of Object.entries(BROKEN)) {
    let isNoticed = false
    for (const check of checkStorage(() => ({ storage: make() }), { histories: 2, steps: 60 })) {
      isNoticed = await check.run().then(
        () => false,
        () => true,
      )
      if (isNoticed) break
    }
    if (!isNoticed) missed.push(name)
  }
  t.diagnostic(`${Object.keys(BROKEN).length} broken storages`)
  assert.deepEqual(missed, [])
})

test('what fails is told by name, all at once or one by one', async () => {
  const make = () => ({ storage: BROKEN['the first witness stays']() })
  const failure = await checkStorage(make, { histories: 1, steps: 10 }).then(assert.fail, (error) => error)
  assert.ok(failure instanceof AggregateError)
  assert.equal(failure.errors.length, 1)
  assert.match(failure.message, /^1 of \d+ checks failed:\n- the last witness is there, .*: the witness: /)
  const names = [...checkStorage(make, { histories: 3 })].map(({ name }) => name)
  assert.equal(new Set(names).size, names.length)
  assert.equal(names.filter((name) => name.startsWith('a random history')).length, 3)
})
