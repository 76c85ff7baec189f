// Deno, which is allowed nothing.

import { esModule } from '../program.mjs'
import { toldVersion } from '../project.mjs'

const DENO = '@deno/linux-x64-glibc/deno'

export default {
  name: 'Deno',
  needs: DENO,
  version: (tools) => toldVersion(tools.file(DENO)),
  files: { 'main.js': esModule() },
  runs: {
    'main.js': (project) => project.run(project.tools.file(DENO), 'run', '--no-prompt', '--cached-only', 'main.js'),
  },
}
