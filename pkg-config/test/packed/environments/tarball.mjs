// What is in the tarball, and what tools that judge packages say of it.

import { readFileSync } from 'node:fs'

/** Everything that is published: what is not named here does not leave the repository. */
const FILES = [
  'LICENSE-APACHE',
  'LICENSE-MIT',
  'README.md',
  'dist/engine.d.wasm.ts',
  'dist/engine.wasm',
  'dist/index.cjs',
  'dist/index.d.cts',
  'dist/index.d.ts',
  'dist/index.js',
  'dist/indexeddb.cjs',
  'dist/indexeddb.d.cts',
  'dist/indexeddb.d.ts',
  'dist/indexeddb.js',
  'dist/node.cjs',
  'dist/node.d.cts',
  'dist/node.d.ts',
  'dist/node.js',
  'dist/slim.cjs',
  'dist/slim.d.cts',
  'dist/slim.d.ts',
  'dist/slim.js',
  'dist/storage.d.cts',
  'dist/storage.d.ts',
  'dist/testing.cjs',
  'dist/testing.d.cts',
  'dist/testing.d.ts',
  'dist/testing.js',
  'dist/workerd.js',
  'package.json',
]

/** What npm would run or install for whoever installs the package. */
const UNWANTED = ['dependencies', 'peerDependencies', 'optionalDependencies', 'bundleDependencies', 'bin']
const UNWANTED_SCRIPTS = ['preinstall', 'install', 'postinstall', 'prepare']

export default {
  name: 'Tarball',
  version: (tools) => `publint ${tools.version('publint')}, attw ${tools.version('@arethetypeswrong/cli')}`,
  files: {},
  checks: {
    files: async (project) => {
      const [{ files }] = JSON.parse(await project.run('npm', 'pack', '--dry-run', '--json', project.tarball))
      const found = files.map(({ path }) => path).sort()
      const wrong = [
        ...found.filter((path) => !FILES.includes(path)).map((path) => `${path} should not be published`),
        ...FILES.filter((path) => !found.includes(path)).map((path) => `${path} is missing`),
      ]
      if (wrong.length > 0) throw new Error(wrong.join('\n'))
    },
    'nothing to install': (project) => {
      const manifest = JSON.parse(readFileSync(project.path('node_modules/brooklet/package.json'), 'utf8'))
      const found = UNWANTED.filter((name) => name in manifest)
      found.push(...UNWANTED_SCRIPTS.filter((name) => name in manifest.scripts))
      if (found.length > 0) throw new Error(`package.json has ${found.join(', ')}`)
    },
    publint: (project) => project.tool('publint', 'run', project.tarball, '--strict'),
    // The profile leaves out resolution as before Node 12, which knows no `exports` and finds no `brooklet/slim`.
    // `brooklet/engine.wasm` is left out because its types are those of an ES module, and it cannot be had otherwise:
    // no `require` gives a module of wasm.
    attw: (project) =>
      project.tool('attw', project.tarball, '--profile', 'node16', '--exclude-entrypoints', './engine.wasm'),
  },
}
