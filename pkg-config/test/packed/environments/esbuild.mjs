// esbuild: a script of the old kind and a module; the module for wasm needs a loader to be named.

import { esModule, page } from '../program.mjs'

const IMPORT_SLIM = "import { open } from 'brooklet/slim'\nimport wasm from 'brooklet/engine.wasm'"

export default {
  name: 'esbuild',
  version: (tools) => tools.version('esbuild'),
  files: {
    'main.js': esModule(),
    'slim.js': esModule('open({ wasm })', IMPORT_SLIM),
    'script/index.html': page('main.js'),
    'module/index.html': page('main.js'),
    'slim/index.html': page('slim.js'),
  },
  runs: {
    script: async (project) => {
      await project.tool('esbuild', 'main.js', '--bundle', '--minify', '--outdir=script')
      return project.site('script')
    },
    module: async (project) => {
      await project.tool('esbuild', 'main.js', '--bundle', '--format=esm', '--outdir=module')
      return project.site('module')
    },
    slim: async (project) => {
      await project.tool('esbuild', 'slim.js', '--bundle', '--loader:.wasm=file', '--outdir=slim')
      return project.site('slim')
    },
  },
}
