// webpack, without a configuration.

import { esModule, page } from '../program.mjs'

const SLIM = "open({ wasm: new URL('brooklet/engine.wasm', import.meta.url) })"

export default {
  name: 'webpack',
  version: (tools) => tools.version('webpack'),
  files: {
    'src/index.js': esModule(),
    'dist/index.html': page('main.js'),
    'src/slim.js': esModule(SLIM, "import { open } from 'brooklet/slim'"),
    'slim/index.html': page('main.js'),
  },
  runs: {
    production: async (project) => {
      await project.tool('webpack', '--mode', 'production')
      return project.site('dist')
    },
    development: async (project) => {
      await project.tool('webpack', '--mode', 'development')
      return project.site('dist')
    },
    slim: async (project) => {
      await project.tool('webpack', '--mode', 'production', '--entry', './src/slim.js', '--output-path', 'slim')
      return project.site('slim')
    },
  },
}
