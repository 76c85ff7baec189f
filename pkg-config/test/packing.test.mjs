// Modules are the same after they were sorted and put together again, or are refused.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { pack, unpack } from '../target/packing.mjs'

/** Every kind of immediate. */
const WAT = `(module
  (type $t (func (param i32) (result i32)))
  (memory 1 2) (table 4 funcref) (global $g (mut i32) (i32.const -1234567))
  (data (i32.const 8) "text \\00\\ff") (data $passive "more")
  (elem (i32.const 0) $id $id)
  (func $id (export "id") (param i32) (result i32) (local i64 f32 f64 i32 i32)
    (block $out (loop $again
      (br_if $out (i32.eqz (local.get 0)))
      (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
      (br $again)))
    (if (local.get 0) (then (i32.store8 offset=300 (i32.const 1) (local.get 0))) (else (nop)))
    (block $a (block $b (block $c (br_table $a $b $c (local.get 0)))))
    (i64.store offset=70000 align=1 (i32.const 0) (i64.const -9223372036854775808))
    (f64.store (i32.const 16) (f64.const 3.25)) (f32.store (i32.const 24) (f32.const -0.5))
    (memory.fill (i32.const 0) (i32.const 0) (i32.const 9)) (memory.copy (i32.const 0) (i32.const 1) (i32.const 2))
    (memory.init $passive (i32.const 0) (i32.const 0) (i32.const 1)) (data.drop $passive)
    (table.set (i32.const 1) (ref.func $id)) (drop (ref.is_null (ref.null func))) (drop (memory.grow (i32.const 0)))
    (global.set $g (i32.trunc_sat_f64_s (f64.const 1e300)))
    (drop (select (result i32) (i32.const 1) (i32.const 2) (memory.size)))
    (call_indirect (type $t) (call $id (global.get $g)) (i32.const 0))))`

/** Instructions for vectors, which src/packing.ts does not know; their immediates look like other instructions. */
const VECTORS = `(module (memory 1) (func (export "v") (result v128)
  (v128.store offset=11 (i32.const 0) (v128.const i64x2 0x0b0b0b0b0b0b0b0b 0x0e0e0e0e0e0e0e0e))
  (i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 31 (v128.load (i32.const 0)) (v128.load (i32.const 16))))
  (func (export "after") (result i32) (i32.const 7)))`

function assemble(text) {
  const folder = mkdtempSync(join(tmpdir(), 'brooklet-packing-'))
  try {
    const manifest = createRequire(import.meta.url).resolve('binaryen/package.json')
    const program = join(dirname(manifest), JSON.parse(readFileSync(manifest, 'utf8')).bin['wasm-as'])
    const words = [program, '--all-features', '-', '-o', join(folder, 'module.wasm')]
    execFileSync(process.execPath, words, { input: text })
    return readFileSync(join(folder, 'module.wasm'))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('a module comes back as it was', () => {
  const engine = readFileSync(new URL('../dist/engine.wasm', import.meta.url))
  for (const module of [engine, assemble(WAT), new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])]) {
    assert.deepEqual(Buffer.from(unpack(pack(module))), Buffer.from(module))
  }
  const smaller = gzipSync(pack(engine), { level: 9 }).length / gzipSync(engine, { level: 9 }).length
  assert.ok(smaller < 0.9, `${smaller}`)
})

test('a module that cannot be walked over is refused', () => {
  const module = assemble(WAT)
  const refusal = /src\/packing\.ts has to follow/
  for (let end = module.length - 1; end > 8; end--) {
    // A module may end behind each section.
    let packed
    try {
      packed = pack(module.subarray(0, end))
    } catch (error) {
      assert.match(error.message, refusal)
      continue
    }
    assert.deepEqual(Buffer.from(unpack(packed)), module.subarray(0, end))
  }
  assert.throws(() => pack(assemble(VECTORS)), refusal)
})
