// docs/compatibility.md says which method says which words of Redis: each is run with each option, and what was sent is
// compared with the table.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { CALLS, objectsOf, optionsOf, perform } from './support/calls.mjs'
import { recorded } from './support/sent.mjs'

const page = readFileSync(new URL('../../docs/compatibility.md', import.meta.url), 'utf8')
const [, table] = /<!-- methods: begin -->\n([^]*?)<!-- methods: end -->/.exec(page)
const codes = (cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code)
const rows = [...table.matchAll(/^\| (`X.*) \|$/gm)].map(([, line]) => {
  const [command, methods, options, unasked, byCall] = line.split(' | ')
  const asked = options.split(';').map(codes).filter(({ length }) => length > 0)
  return {
    command: codes(command)[0],
    methods: codes(methods).filter((method) => method !== 'db.call'),
    options: new Map(asked.map(([option, ...words]) => [option, words])),
    unasked: codes(unasked),
    byCall: codes(byCall),
  }
})

/** What the package never sends, although its methods know it: `$` is resolved before. */
const NEVER_SENT = ['XREAD $']

/** Runs all calls, and says of each what it was given and what it sent. */
async function run(t) {
  const { db, sent } = await recorded(t)
  const done = []
  for (const [method, calls] of Object.entries(CALLS)) {
    for (const words of calls) {
      await db.call('FLUSHALL')
      const objects = await objectsOf(db)
      sent.length = 0
      const call = perform(objects, method, words)
      await call.catch((error) => assert.equal(error.name, 'RedisError', `${method}: ${error}`))
      done.push({ method, options: optionsOf(words), sent: [...sent] })
    }
  }
  return done
}

const isOf = (command) => (words) => `${words.join(' ')} `.toUpperCase().startsWith(`${command} `)
const says = (word) => (words) => words.some((one) => (word === '(' ? one.startsWith('(') : one === word))

test('every method says what the table of docs/compatibility.md has', async (t) => {
  const done = await run(t)
  assert.ok(rows.length > 25, `${rows.length} rows`)
  const faults = []
  const has = (command, calls, word) => calls.some(({ sent }) => sent.filter(isOf(command)).some(says(word)))
  for (const { command, methods, options, unasked, byCall } of rows) {
    for (const method of methods) {
      const calls = done.filter((call) => call.method === method)
      if (!calls.some(({ sent }) => sent.some(isOf(command)))) faults.push(`${method} does not send ${command}`)
    }
    const calls = done.filter(({ method }) => methods.includes(method))
    for (const [option, words] of options) {
      const asked = calls.filter((call) => call.options.includes(option) || option === 'id')
      for (const word of words) {
        if (!has(command, asked, word) && !NEVER_SENT.includes(`${command} ${word}`)) {
          faults.push(`${command}: ${option} does not send ${word}`)
        }
      }
    }
    for (const word of unasked) if (!has(command, calls, word)) faults.push(`${command}: ${word} is not sent`)
    for (const word of byCall) if (has(command, done, word)) faults.push(`${command}: ${word} is sent`)
  }
  assert.deepEqual(faults, [])
})

/** Options that are no words of a command. */
const OF_ALL = ['signal', 'durability']

test('every method and option that sends something is in the table', async (t) => {
  const listed = new Set(rows.flatMap(({ methods }) => methods))
  assert.deepEqual([...listed].sort(), Object.keys(CALLS).sort())
  const { db } = await recorded(t)
  const objects = await objectsOf(db)
  for (const [kind, object] of Object.entries(objects)) {
    const names = Object.getOwnPropertyNames(Object.getPrototypeOf(object))
    for (const name of names) {
      // Private names are short in the built package, and so is none of the public ones.
      if (typeof object[name] !== 'function' || name === 'constructor' || name.length < 3) continue
      const isOther = OTHERS.includes(`${kind}.${name}`)
      assert.notEqual(listed.has(`${kind}.${name}`), isOther, `${kind}.${name}`)
    }
  }
  for (const [method, calls] of Object.entries(CALLS)) {
    const used = new Set(calls.flatMap(optionsOf))
    if (used.size === 0) continue
    // A wrong option is answered with the list of right ones.
    const words = calls.findLast((words) => words.at(-1)?.constructor === Object).with(-1, { nonsense: 1 })
    const [kind, name] = method.split('.')
    const error = await (async () => objects[kind][name](...words))().catch((error) => error)
    const known = /^there is no option nonsense, but there is (.*)$/.exec(error.message)[1].split(', ')
    const itsRows = rows.filter(({ methods }) => methods.includes(method))
    const described = new Set(itsRows.flatMap(({ options }) => [...options.keys()]))
    for (const option of known) {
      if (OF_ALL.includes(option)) continue
      assert.ok(described.has(option), `${method} has ${option}, which is not in the table`)
      assert.ok(used.has(option) || kind === 'message', `${method}: ${option} was not tried`)
    }
  }
})

test('a method that returns a promise has run its command by then', async (t) => {
  const { db, sent } = await recorded(t)
  let tried = 0
  for (const [method, [words]] of Object.entries(CALLS)) {
    await db.call('FLUSHALL')
    const objects = await objectsOf(db)
    const [kind, name] = method.split('.')
    sent.length = 0
    const result = objects[kind][name](...words)
    if (!(result instanceof Promise)) continue
    tried++
    assert.ok(sent.length > 0, method)
    await result.catch((error) => assert.equal(error.name, 'RedisError', `${method}: ${error}`))
  }
  assert.ok(tried > 25, `${tried} methods`)
})

/** Methods that are not about one command. */
const OTHERS = (
  'stream call multi configure flush sync durability destroy exportSnapshot importSnapshot addEventListener removeEventListener close'
).split(' ').map((name) => `db.${name}`)
OTHERS.push('message.get', 'message.getAll', 'message.bytes', 'message.toObject')
