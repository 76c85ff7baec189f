// Bun: ES modules and CommonJS.

import { commonJs, esModule } from '../program.mjs'
import { toldVersion } from '../project.mjs'

const BUN = '@oven/bun-linux-x64/bin/bun'

const files = esModule(
  "open({ storage: nodeFiles('./stored') })",
  "import { open } from 'brooklet'\nimport { nodeFiles } from 'brooklet/node'",
)

export default {
  name: 'Bun',
  needs: BUN,
  version: (tools) => toldVersion(tools.file(BUN)),
  files: { 'import.js': esModule(), 'require.cjs': commonJs(), 'files.js': files },
  runs: {
    'import.js': (project) => project.run(project.tools.file(BUN), 'import.js'),
    'require.cjs': (project) => project.run(project.tools.file(BUN), 'require.cjs'),
    'files.js': (project) => project.run(project.tools.file(BUN), 'files.js'),
  },
}
