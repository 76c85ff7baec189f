// Runs transcripts through the package: `db.call` and `db.multi`, with a clock driven by hand.
//
// It needs no Node: whoever runs it brings the package's `open`.

/** The time when a case starts. */
export const CLOCK_START_MS = 1_000_000

/** What a case may set, as an option of `open`. */
const SETTINGS = {
  maxmemory: 'memoryBytesMax',
  'reply-bytes-max': 'replyBytesMax',
  'stream-node-max-bytes': 'nodeBytesMax',
  'stream-node-max-entries': 'nodeEntriesMax',
  'stream-idmp-duration': 'idempotentSeconds',
  'stream-idmp-maxsize': 'idempotentEntriesMax',
}

/** Why the package cannot run a case; undefined if it can. */
export function reasonToSkip({ steps }) {
  if (steps.some(({ action }) => action === 'select')) return 'a database of the package is one, not sixteen'
  const isHuge = (word) => word instanceof Uint8Array && word.length > 1 << 28
  if (steps.some(({ argv }) => argv?.some(isHuge))) return 'an argument is larger than a quarter of a GiB'
  return undefined
}

/** Runs a case. The error says what was expected, and where. */
export async function runCase(open, one) {
  let nowMs = CLOCK_START_MS
  const options = { clock: () => nowMs }
  for (const [name, value] of one.settings) options[SETTINGS[name]] = Math.min(Number(value), Number.MAX_SAFE_INTEGER)
  const db = await open(options)
  /** Clients that wait, by number, with how to send them away; and those that were woken, in order. */
  const waiting = new Map()
  const woken = []
  const fail = (step, text) => new Error(`${one.file}:${step.line}: ${one.name}\n  ${step.text}\n  ${text}`)

  const actions = {
    async call(step) {
      const { client, argv, expected } = step
      const leaving = new AbortController()
      const promise = db.call(argv, { signal: leaving.signal }).catch((error) => error)
      const got = await Promise.race([promise, pause().then(() => waiting)])
      if (got === waiting) {
        if (expected !== undefined) throw fail(step, 'it waits')
        waiting.set(client, leaving)
        promise.then((value) => {
          if (!leaving.signal.aborted) woken.push([client, value])
        })
      } else if (expected === undefined) {
        throw fail(step, `it does not wait: ${show(got)}`)
      } else if (!expected(got)) {
        throw fail(step, `got ${show(got)}`)
      }
    },
    async exec(step) {
      const got = await db.multi(step.batch).catch((error) => error)
      if (!step.expected(got)) throw fail(step, `got ${show(got)}`)
    },
    async fill(step) {
      const numbered = (word, number) => (typeof word === 'string' ? word.replaceAll('{}', String(number)) : word)
      for (let number = step.first; number <= step.last; number++) {
        await db.call(...step.argv.map((word) => numbered(word, number)))
      }
    },
    async woken(step) {
      const [client, got] = woken.shift() ?? [undefined, undefined]
      if (client !== step.client) throw fail(step, `woken: ${client}`)
      waiting.delete(client)
      if (!step.expected(got)) throw fail(step, `got ${show(got)}`)
    },
    cancel(step) {
      waiting.get(step.client).abort()
      waiting.delete(step.client)
    },
    clock(step) {
      nowMs = step.nowMs
    },
    pass(step) {
      nowMs += step.durationMs
    },
  }

  for (const [place, step] of one.steps.entries()) {
    await actions[step.action](step)
    // Any call lets the time pass that the clock has moved.
    if (step.action === 'clock' || step.action === 'pass') await db.call('PING')
    await pause()
    if (woken.length > 0 && one.steps[place + 1]?.action !== 'woken') throw fail(step, `woken: ${show(woken)}`)
    const { waitingReaders } = step.action === 'fill' ? {} : await db.inspect().catch(() => ({}))
    const expected = waiting.size - woken.length
    if (waitingReaders !== undefined && waitingReaders !== expected) {
      throw fail(step, `${waitingReaders} wait, not ${expected}`)
    }
  }
  // Whoever still waits is told that it is over.
  await db.close()
  await pause()
  for (const [, got] of woken) {
    if (got?.name !== 'ClosedError') throw new Error(`${one.name}: after closing: ${show(got)}`)
  }
  if (woken.length !== waiting.size) throw new Error(`${one.name}: ${waiting.size} waited, ${woken.length} were told`)
}

/** Lets everything happen that is about to. */
function pause() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = () => {
      port1.close()
      resolve()
    }
    port2.postMessage(0)
  })
}

function show(value) {
  if (value instanceof Error) return `${value.name}: ${value.message}`
  return JSON.stringify(value, (_, inner) => (typeof inner === 'bigint' ? `${inner}n` : inner))
}
