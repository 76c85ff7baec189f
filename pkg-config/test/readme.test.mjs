// The programs of the READMEs are run as they stand there, and their figures are those of what was built.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'

const root = new URL('../', import.meta.url)
const text = readFileSync(new URL('README.md', root), 'utf8')
const above = readFileSync(new URL('../README.md', root), 'utf8')
const programsOf = (text) => [...text.matchAll(/^```js\n([^]*?)^```$/gm)].map(([, program]) => program)
const programs = programsOf(text)

test('the README has programs, the first of ten lines', () => {
  assert.ok(programs.length >= 5, `${programs.length}`)
  const lines = programs[0].split('\n').filter((line) => line !== '' && !line.startsWith('//'))
  assert.ok(lines.length <= 10, `${lines.length} lines`)
})

test('the README of the repository has a program', () => assert.ok(programsOf(above).length > 0))

;[...programs, ...programsOf(above)].forEach((program, place) => {
  test(`program ${place + 1} of the READMEs runs, and prints what it says`, async () => {
    const options = { cwd: root, timeout: 60_000 }
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], options)
    const printed = [...program.matchAll(/^\/\/ prints (.*)$/gm)].map(([, line]) => line)
    assert.deepEqual(stdout.trimEnd().split('\n'), printed)
  })
})

test('the sizes in the README are those of the files', () => {
  const sizes = {
    'index.js': /`brooklet` is (\d+) KB/,
    'slim.js': /`brooklet\/slim` is (\d+) KB/,
    'engine.wasm': /engine that it loads is (\d+) KB/,
  }
  for (const [name, sentence] of Object.entries(sizes)) {
    const told = Number(sentence.exec(text)?.[1])
    const bytes = gzipSync(readFileSync(new URL(`dist/${name}`, root)), { level: 9 }).length
    assert.ok(Math.abs(bytes / 1000 - told) < 3, `${name} has ${bytes} bytes, and the README says ${told} KB`)
  }
  assert.equal(/Deno and Bun, in (\d+) KB/.exec(above)?.[1], sizes['index.js'].exec(text)[1])
})

test('every method and option that the README names in a sentence is there', () => {
  const types = ['index', 'slim', 'indexeddb', 'node', 'storage', 'testing'].map((name) => readFileSync(new URL(`types/${name}.d.ts`, root), 'utf8')).join('')
  const sentences = text.replace(/^```[^]*?^```$/gm, '')
  const code = [...sentences.matchAll(/`[^`]+`/g)].join(' ')
  const named = code.matchAll(/(?<=[`.])\w+(?=\()|(?<=[{`] ?)\w+(?=: )|(?<=\{ )\w+(?= \})/g)
  const names = new Set([...named].map(([name]) => name))
  assert.ok(names.size > 10, [...names].join())
  for (const name of names) assert.match(types, new RegExp(`\\b${name}[?<(:]`), name)
})
