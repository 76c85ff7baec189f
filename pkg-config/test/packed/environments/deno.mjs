// Deno, which is allowed nothing, or to keep files.

import { esModule } from '../program.mjs'
import { toldVersion } from '../project.mjs'

const DENO = '@deno/linux-x64-glibc/deno'

/** What a storage in files asks for. */
const ALLOWED = ['--no-prompt', '--allow-read', '--allow-write', '--allow-sys']

const files = esModule(
  "open({ storage: nodeFiles('./stored') })",
  "import { open } from 'brooklet'\nimport { nodeFiles } from 'brooklet/node'",
)

export default {
  name: 'Deno',
  needs: DENO,
  version: (tools) => toldVersion(tools.file(DENO)),
  files: { 'main.js': esModule(), 'files.js': files },
  runs: {
    'main.js': (project) => project.run(project.tools.file(DENO), 'run', '--no-prompt', '--cached-only', 'main.js'),
    'files.js': (project) => project.run(project.tools.file(DENO), 'run', ...ALLOWED, '--cached-only', 'files.js'),
  },
}
