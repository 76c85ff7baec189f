// What is in the package: files, names, sizes.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import * as index from 'brooklet'
import * as slim from 'brooklet/slim'

const root = new URL('../', import.meta.url)
const read = (path) => readFileSync(new URL(path, root))
const manifest = JSON.parse(read('package.json'))
const programs = ['dist/index.js', 'dist/index.cjs', 'dist/slim.js', 'dist/slim.cjs', 'dist/workerd.js']
const names = (
  'ClosedError CorruptError DataLossError EngineError EngineRestartedError FencedError FormatTooNewError LockedError ' +
  'RedisError StorageBusyError StorageError StorageFullError memory open'
).split(' ')
const others = {
  indexeddb: ['indexedDb'],
  node: ['nodeFiles'],
  testing: ['checkStorage', 'faults', 'memory', 'virtualClock'],
}

test('every file that the manifest names is there', () => {
  const paths = []
  const walk = (value) => (typeof value === 'string' ? paths.push(value) : Object.values(value).forEach(walk))
  walk(manifest.exports)
  walk([manifest.main, manifest.module, manifest.types])
  for (const path of paths) assert.ok(existsSync(new URL(path, root)), path)
  assert.equal(Object.keys(manifest.exports['.'])[0], 'workerd')
  assert.equal(manifest.dependencies, undefined)
  for (const version of Object.values(manifest.devDependencies)) assert.match(version, /^\d+\.\d+\.\d+$/)
})

test('both kinds of module have the same names', () => {
  const require = createRequire(import.meta.url)
  for (const module of [index, slim, require('brooklet'), require('brooklet/slim')]) {
    assert.deepEqual(Object.keys(module).filter((name) => name !== 'default').sort(), names)
  }
})

test('so have the other entries, and only that for Node needs Node', async () => {
  const require = createRequire(import.meta.url)
  for (const [entry, names] of Object.entries(others)) {
    for (const module of [await import(`brooklet/${entry}`), require(`brooklet/${entry}`)]) {
      assert.deepEqual(Object.keys(module).filter((name) => name !== 'default').sort(), names)
    }
    for (const kind of ['js', 'cjs']) {
      const text = read(`dist/${entry}.${kind}`).toString()
      assert.equal(/node:|process\./.test(text), entry === 'node', entry)
      assert.equal(/\.[a-z]\w+_\b/.exec(text)?.[0], undefined, entry)
    }
  }
})

test('a CommonJS program can use it', async () => {
  const { open, RedisError } = createRequire(import.meta.url)('brooklet')
  const db = await open()
  assert.equal(await db.call('PING'), 'PONG')
  await assert.rejects(db.call('NOSUCH'), RedisError)
  await db.close()
})

test('nothing is in the programs that some platform does not have', () => {
  for (const path of programs) {
    // What is looked for before it is used may be missing.
    const text = read(path).toString().replace('globalThis.Buffer.from', '')
    const foreign = /import\.meta|node:|\brequire\(|\beval\(|new Function|process\.|\bBuffer\b|fetch\("data:/
    assert.equal(foreign.exec(text)?.[0], undefined, path)
    const imports = text.match(/\bimport\b[^(]*?from\s*"[^"]*"|\bimport\s*"[^"]*"|\bimport\(/g) ?? []
    assert.equal(imports.length, path === 'dist/workerd.js' ? 1 : 0, `${path}: ${imports}`)
    // Private names were shortened, all of them.
    assert.equal(/\.[a-z]\w+_\b/.exec(text)?.[0], undefined, path)
  }
  assert.match(read('dist/workerd.js').toString(), /^import \w+ from"\.\/engine\.wasm"/)
})

test('the default entry compiles the very module that lies beside it', async (context) => {
  const compile = context.mock.method(WebAssembly, 'compile')
  const zlib = context.mock.method(process, 'getBuiltinModule')
  const entry = new URL('../dist/index.js', import.meta.url)
  // With what Node brings along, and with what browsers have.
  for (const way of ['node', 'browser']) {
    if (way === 'browser') zlib.mock.mockImplementation(() => undefined)
    const { open } = await import(`${entry}?${way}`)
    await (await open()).close()
    assert.deepEqual(Buffer.from(compile.mock.calls.at(-1).arguments[0]), read('dist/engine.wasm'), way)
    assert.ok(zlib.mock.callCount() > 0)
  }
})

test('the engine asks its host for random numbers, and for what storages need', () => {
  const module = new WebAssembly.Module(read('dist/engine.wasm'))
  const imports = WebAssembly.Module.imports(module).map(({ name }) => name.replace(/_[0-9a-f]{16}$/, ''))
  const known =
    'is_null is_undefined jsval_eq number_get string_get throw answer apply ask construct encodeURIComponent get ' +
    'getRandomValues instanceof_Bytes new now parse push set soon static_accessor_GLOBAL subarray generic ' +
    'init_externref_table'
  const names = imports.map((name) => name.replace(/^(__wbg___wbindgen|__wbg|__wbindgen)_/, ''))
  assert.deepEqual([...new Set(names)].sort(), known.split(' ').sort())
})

test('nothing has become larger than it may be', () => {
  const budgets = JSON.parse(read('budgets.json'))
  for (const [name, most] of Object.entries(budgets)) {
    const { length } = gzipSync(read(`dist/${name}`), { level: 9 })
    assert.ok(length <= most, `${name}: ${length} bytes with gzip, ${most} at most`)
    assert.ok(length > most / 2, `${name}: ${length} bytes with gzip: ${most} has become a budget for anything`)
  }
})

test('the types of both kinds of module are the same', () => {
  for (const name of ['index', 'slim', 'indexeddb', 'node', 'storage', 'testing']) {
    const text = read(`dist/${name}.d.ts`).toString()
    assert.equal(read(`dist/${name}.d.cts`).toString(), text.replace(/'\.\/(\w+)\.js'/g, "'./$1.cjs'"))
  }
})
