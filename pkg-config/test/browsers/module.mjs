// The storage in IndexedDB as a module of its own, for the contract suite.

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

const TARGET = 'wasm32-unknown-unknown'

/** The folder of the module and its glue. BROOKLET_RAW_STORAGE names it if they are there already. */
export function rawStorage(root) {
  const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target')
  return process.env.BROOKLET_RAW_STORAGE ?? join(target, 'raw-storage')
}

/** Builds it, unless somebody else has. */
export function buildRawStorage(root) {
  const folder = rawStorage(root)
  if (process.env.BROOKLET_RAW_STORAGE !== undefined) return
  const cargo = (...words) => {
    execFileSync('cargo', words, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  }
  const crate = ['-p', 'brooklet-web', '--crate-type', 'cdylib', '--features', 'raw-storage', '--target', TARGET]
  cargo('rustc', '--quiet', '--locked', '--release', ...crate)
  const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target')
  const module = join(target, TARGET, 'release', 'brooklet_web.wasm')
  // The profile in which `cargo xtask` builds it, too: it takes minutes, once.
  const options = ['--target', 'web', '--no-typescript', '--out-dir', folder, '--out-name', 'raw']
  const bindgen = ['-p', 'brooklet-bindgen', '--bin', 'wasm-bindgen', '--', module]
  cargo('run', '--quiet', '--locked', '--profile', 'bindgen', ...bindgen, ...options)
  if (!existsSync(join(folder, 'raw.js'))) throw new Error(`wasm-bindgen wrote no raw.js into ${folder}`)
}
