// Random histories: what a storage shows after each step, beside a model that is too simple to be wrong.

import type { StorageBatch } from '../../types/storage.js'
import type { StoragePlace } from '../../types/testing.js'
import { type Contents, ensureSame, failureOf, filled, NOTHING, Probe, type Session } from './probe.js'

/** What is stored, as it is said in types/storage.d.ts. */
export class Model {
  epoch = 0
  manifest: Uint8Array | null = null
  chunks = new Map<number, Uint8Array>()
  parts = new Map<number, Uint8Array>()

  /** Stores a batch; false if it is fenced off. */
  write(batch: StorageBatch): boolean {
    if (batch.epoch < this.epoch || (batch.claim && batch.epoch === this.epoch)) return false
    if (batch.claim) this.epoch = batch.epoch
    for (const [id, bytes] of batch.parts) this.parts.set(id, bytes)
    for (const [sequence, bytes] of batch.chunks) this.chunks.set(sequence, bytes)
    this.manifest = batch.manifest ?? this.manifest
    for (const sequence of [...this.chunks.keys()]) {
      const isCovered = batch.deleteLogUpto !== null && sequence <= batch.deleteLogUpto
      const isCut = batch.deleteLogFrom !== null && sequence >= batch.deleteLogFrom
      const isAside = batch.quarantineFrom !== null && sequence >= batch.quarantineFrom
      if (isCovered || isCut || isAside) this.chunks.delete(sequence)
    }
    for (const id of batch.deleteParts) this.parts.delete(id)
    return true
  }

  contents(): Contents {
    const sorted = (map: Map<number, Uint8Array>) => [...map].sort(([one], [other]) => one - other)
    const chunks = sorted(this.chunks)
    const bounds = chunks.length > 0 ? ([chunks[0]![0], chunks.at(-1)![0]] as const) : null
    return { epoch: this.epoch, manifest: this.manifest, bounds, chunks, parts: sorted(this.parts) }
  }
}

/** Random numbers below `end`, the same for the same seed. */
export function randomNumbers(seed: number): (end: number) => number {
  let state = seed >>> 0
  return (end) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % end
  }
}

/** Lives through a random history. */
export async function live({ storage, crash }: StoragePlace, seed: number, steps: number): Promise<void> {
  const random = randomNumbers(seed)
  const model = new Model()
  let probe = new Probe(storage)
  let session: Session = await probe.open()
  let next = 1
  for (let step = 0; step < steps; step++) {
    const where = `seed ${seed}, step ${step}`
    switch (random(12)) {
      case 0:
        session.close()
        if (crash !== undefined && random(2) === 0) probe = new Probe(await crash())
        session = await probe.open({ newSegment: random(2) === 0 })
        break
      case 1:
        session = await probe.open()
        break
      default: {
        const batch = randomBatch(random, model, next)
        next = batch.chunks.at(-1)?.[0] ?? next
        if (batch.chunks.length > 0) next++
        const name = await failureOf(() => session.write(batch))
        ensureSame(name ?? null, model.write(batch) ? null : 'FencedError', `${where}, write`)
      }
    }
    ensureSame(await session.contents(), model.contents(), where)
  }
  session.close()
}

function randomBatch(random: (end: number) => number, model: Model, next: number): StorageBatch {
  const now = (times: number) => random(times) === 0
  const bytes = () => filled(random(8) === 0 ? random(3000) : random(40), random(256))
  const claim = now(8)
  const isStale = model.epoch > 0 && now(10)
  const epoch = claim ? model.epoch + 1 + random(3) : model.epoch
  const anywhere = () => Math.max(0, next - 6 + random(9))
  const again = now(8) ? Math.min(random(4), next - 1) : 0
  return {
    ...NOTHING,
    epoch: isStale ? random(model.epoch) : epoch,
    claim,
    durable: now(4),
    parts: Array.from({ length: now(4) ? random(3) : 0 }, () => [random(12), bytes()] as const),
    chunks: Array.from({ length: random(4) }, (_, at) => [next - again + at, bytes()] as const),
    manifest: now(8) ? bytes() : null,
    deleteLogUpto: now(8) ? anywhere() : null,
    deleteLogFrom: now(14) ? anywhere() : null,
    quarantineFrom: now(20) ? anywhere() : null,
    deleteParts: Array.from({ length: now(5) ? random(3) : 0 }, () => random(12)),
  }
}
