// Builds the package: the module for wasm, its glue, the entries, their types; then says how large they became.
//
// *Design.* Cargo compiles the engine, wasm-bindgen writes the glue, wasm-opt shrinks the module, esbuild bundles each
// entry. The glue is written for one instance in a program; here it is wrapped into a factory, so that each database
// has an instance of its own. Each entry is one self-contained file, and the types are copied as they were written.
//
// *Why not a bundler's plugin for wasm.* What works unconfigured everywhere is plain JavaScript with the bytes inside.
//
// Run: node build.mjs

import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { minify } from 'terser'

const here = dirname(fileURLToPath(import.meta.url))
const root = dirname(here)
const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target')
const generated = join(here, 'target')
const dist = join(here, 'dist')

/** What the engine's code uses; wasm-opt may use no more. Every browser of the last three years has it. */
const WASM_FEATURES =
  'bulk-memory mutable-globals nontrapping-float-to-int sign-ext reference-types multivalue'

/** The name of the module's text in the default entry. */
const INLINE = '__module'

// What stands in the glue instead of what was generated.

const DECODE_TEXT = `function decodeText(bytes) {
    return new TextDecoder().decode(bytes);
}
`

const MAKE_CLOSURE = `function makeClosure(arg0, arg1, f) {
    return (...args) => f(arg0, arg1, ...args);
}
`

const INSTANTIATE = `const wasm = new WebAssembly.Instance(module, __wbg_get_imports()).exports;
wasm.__wbindgen_start();
return wasm;
`

rmSync(generated, { recursive: true, force: true })
rmSync(dist, { recursive: true, force: true })
mkdirSync(generated, { recursive: true })
mkdirSync(dist, { recursive: true })

console.log('compiling the engine; the first time this takes minutes')
compile()
shrink()
writeFileSync(join(generated, 'glue.js'), factory(readFileSync(join(generated, 'engine.js'), 'utf8')))
const wasm = readFileSync(join(dist, 'engine.wasm'))
// It stands in front of all the rest, where it takes half a KB less with gzip than where it is used.
const inline = `const ${INLINE}="${(await packed(wasm)).toString('base64')}";`
writeFileSync(join(generated, 'inline.js'), `export default ${INLINE}\n`)
await bundle()
declare()
report()

/** Compiles the module and has its glue written. */
function compile() {
  cargo(['build', '--profile', 'wasm', '-p', 'brooklet-wasm', '--target', 'wasm32-unknown-unknown'])
  const module = join(target, 'wasm32-unknown-unknown', 'wasm', 'brooklet_wasm.wasm')
  const options = ['--target', 'web', '--omit-default-module-path', '--no-typescript', '--out-name', 'engine']
  // The profile in which `cargo xtask` builds it, too: it takes minutes, once.
  const program = ['run', '--profile', 'bindgen', '-p', 'brooklet-bindgen', '--bin', 'wasm-bindgen']
  cargo([...program, '--', module, '--out-dir', generated, ...options])
}

function cargo(words) {
  const options = { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] }
  execFileSync('cargo', [words[0], '--quiet', ...words.slice(1)], options)
}

/** Shrinks the module. */
function shrink() {
  const manifest = createRequire(import.meta.url).resolve('binaryen/package.json')
  const program = join(dirname(manifest), JSON.parse(readFileSync(manifest, 'utf8')).bin['wasm-opt'])
  const features = ['--mvp-features', ...WASM_FEATURES.split(' ').map((feature) => `--enable-${feature}`)]
  const strip = ['--strip-debug', '--strip-producers', '--strip-target-features']
  const files = [join(generated, 'engine_bg.wasm'), '-o', join(dist, 'engine.wasm')]
  execFileSync(process.execPath, [program, '-Oz', ...features, ...strip, ...files], { stdio: 'inherit' })
}

/** The generated glue as a function that makes an instance with each call. */
function factory(glue) {
  let text = glue
  const replace = (pattern, replacement) => {
    const before = text
    text = text.replace(pattern, replacement)
    if (text === before) {
      throw new Error(`wasm-bindgen's glue has changed: ${pattern} is not found in it. build.mjs has to follow.`)
    }
  }
  // Methods that pass numbers on are called without the class around them; any other would be missed here.
  const [door] = /^export class Door {[^]*?^}\n/m.exec(text) ?? ['']
  const call = /^ {8}(?:const ret = )?wasm\.door_(\w+)\((?:this\.__wbg_ptr)?(?:(?:, )?\w+)*\);$/gm
  const names = [...door.matchAll(call)]
  const expected =
    'abandon advance answer answered call cancel close configure drive durability exec flush hold names new open ' +
    'open_idb released room statistics store take'
  if (names.map(([, name]) => name).sort().join(' ') !== expected || /FromWasm|ToWasm|addHeapObject/.test(door)) {
    throw new Error("the door's methods are not what they were: door.ts and build.mjs have to follow.")
  }
  replace(door, '')
  replace(/^const DoorFinalization = [^;]*;\n/m, '')
  replace(/^if \(Symbol\.dispose\)[^\n]*\n/m, '')
  // Texts are few.
  replace(/^let cachedTextDecoder = [^]*?^function decodeText\(bytes\) {[^]*?^}\n/m, DECODE_TEXT)
  // Closures live as long as the instance, and are not called in one that has failed.
  replace(/^const CLOSURE_DTORS = [^;]*;\n/m, '')
  replace(/^function makeClosure\([^]*?^}\n/m, MAKE_CLOSURE)
  replace(/^ {4}const ret = (wasm\.wasm_bindgen__convert__closures\w+\(.*\));\n {4}return ret;/m, '    return guard(() => $1);')
  // Every platform has it.
  replace(/^if \(!\('encodeInto' in cachedTextEncoder\)\) {[^]*?^}\n/m, '')
  // What fetches and instantiates by itself is not used.
  replace(/^let wasmModule, wasmInstance, wasm;[^]*?^export \{ initSync, __wbg_init as default \};\n/m, INSTANTIATE)
  if (/^\s*(export|import)\b/m.test(text) || /import\.meta/.test(text)) {
    throw new Error('something of the glue is still a module of its own: build.mjs has to follow.')
  }
  return `export function glue(module, guard) {\n${text}}\n`
}

/** The module as the default entry has it: sorted, and then the smallest gzip there is. */
async function packed(wasm) {
  const outfile = join(generated, 'packing.mjs')
  await build({ entryPoints: [join(here, 'src', 'packing.ts')], outfile, format: 'esm' })
  const { pack, unpack } = await import(outfile)
  const sorted = pack(wasm)
  if (!wasm.equals(unpack(sorted))) throw new Error('the module does not come back: src/packing.ts is wrong')
  // Zopfli's gzip is a twentieth smaller than zlib's best, and takes seconds. Its header holds no time, so that the same
  // module gives the same bytes. It catches what nobody caught, and prints itself: that is none of its business.
  const { default: zopfli } = await import('@gfx/zopfli')
  process.removeAllListeners('uncaughtException')
  return Buffer.from(await zopfli.gzipAsync(sorted, { numiterations: 60, blocksplittingmax: 0 }))
}

/** Bundles each entry, as an ES module and as a CommonJS one. */
async function bundle() {
  const entries = [
    ['index', 'esm', 'index.js'],
    ['index', 'cjs', 'index.cjs'],
    ['slim', 'esm', 'slim.js'],
    ['slim', 'cjs', 'slim.cjs'],
    ['workerd', 'esm', 'workerd.js'],
    ['indexeddb', 'esm', 'indexeddb.js'],
    ['indexeddb', 'cjs', 'indexeddb.cjs'],
    ['node', 'esm', 'node.js'],
    ['node', 'cjs', 'node.cjs'],
    ['testing', 'esm', 'testing.js'],
    ['testing', 'cjs', 'testing.cjs'],
  ]
  for (const [entry, format, file] of entries) {
    const { outputFiles } = await build({
      entryPoints: [join(here, 'src', `${entry}.ts`)],
      write: false,
      bundle: true,
      format,
      // For Node it says which names a CommonJS module has.
      platform: format === 'cjs' ? 'node' : 'neutral',
      target: 'es2022',
      minify: true,
      legalComments: 'none',
      // What is private in the sources ends with an underscore.
      mangleProps: /[a-z]_$/,
      external: ['./engine.wasm', 'node:*'],
      alias: { 'brooklet-glue': join(generated, 'glue.js'), 'brooklet-inline': join(generated, 'inline.js') },
      logLevel: 'warning',
    })
    // What esbuild leaves, terser shortens by another twentieth.
    const { code } = await minify(outputFiles[0].text, {
      module: format === 'esm',
      ecma: 2022,
      compress: { passes: 3, unsafe_arrows: true, unsafe_methods: true, pure_getters: true },
      mangle: { toplevel: true },
    })
    // Never run, and so dropped.
    const names = /0&&\(module\.exports=\{[^}]*\}\)/.exec(outputFiles[0].text)?.[0]
    if (format === 'cjs' && names === undefined) {
      throw new Error("esbuild's list of names has changed: build.mjs has to follow.")
    }
    const whole = entry === 'index' ? code.replace(/^("use strict";)?/, (directive) => directive + inline) : code
    writeFileSync(join(dist, file), `${whole}\n${names ?? ''}`)
  }
}

/** Writes the types: each file as it is, and once more for CommonJS. */
function declare() {
  for (const name of ['index', 'slim', 'indexeddb', 'node', 'storage', 'testing']) {
    const text = readFileSync(join(here, 'types', `${name}.d.ts`), 'utf8')
    writeFileSync(join(dist, `${name}.d.ts`), text)
    writeFileSync(join(dist, `${name}.d.cts`), text.replace(/'\.\/(\w+)\.js'/g, "'./$1.cjs'"))
  }
  cpSync(join(here, 'types', 'engine.d.wasm.ts'), join(dist, 'engine.d.wasm.ts'))
  for (const licence of ['LICENSE-APACHE', 'LICENSE-MIT']) cpSync(join(root, licence), join(here, licence))
}

/** Says how large the files became. */
function report() {
  const row = (name, ...cells) => console.log(name.padEnd(16) + cells.map((cell) => String(cell).padStart(10)).join(''))
  row('bytes', 'raw', 'gzip', 'brotli')
  const names = ['engine.wasm', 'slim.js', 'workerd.js', 'index.js', 'index.cjs', 'indexeddb.js', 'node.js', 'testing.js']
  for (const name of names) {
    const bytes = readFileSync(join(dist, name))
    row(name, bytes.length, gzipSync(bytes, { level: 9 }).length, brotliCompressSync(bytes).length)
  }
}
