// Vite, which bundles for production and serves single modules while one develops.

import { esModule, page } from '../program.mjs'
import { freePort } from '../project.mjs'

const IMPORT_SLIM = "import { open } from 'brooklet/slim'\nimport wasm from 'brooklet/engine.wasm?url'"

const IMPORT_STORED = "import { open } from 'brooklet'\nimport { indexedDb } from 'brooklet/indexeddb'"

export default {
  name: 'Vite',
  version: (tools) => tools.version('vite'),
  files: {
    'index.html': page('/main.js'),
    'slim.html': page('/slim.js'),
    'main.js': esModule(),
    'slim.js': esModule('open({ wasm })', IMPORT_SLIM),
    'stored.html': page('/stored.js'),
    'stored.js': esModule("open({ storage: indexedDb('stored') })", IMPORT_STORED),
  },
  runs: {
    build: async (project) => {
      await project.tool('vite', 'build')
      return project.site('dist')
    },
    dev: (project) => dev(project, ''),
    'dev, slim': (project) => dev(project, 'slim.html'),
    'dev, stored': (project) => dev(project, 'stored.html'),
  },
}

async function dev(project, path) {
  const port = await freePort()
  const words = [project.tools.program('vite'), '--host', '127.0.0.1', '--port', String(port), '--strictPort']
  return project.serve(words, port, (address) => project.page(address + path))
}
