// rollup, with the plugin that finds packages.

import { esModule, page } from '../program.mjs'

export default {
  name: 'rollup',
  version: (tools) => tools.version('rollup'),
  files: { 'main.js': esModule(), 'site/index.html': page('main.js') },
  runs: {
    module: async (project) => {
      await project.tool('rollup', 'main.js', '--plugin', 'node-resolve', '--format', 'es', '--file', 'site/main.js')
      return project.site('site')
    },
  },
}
