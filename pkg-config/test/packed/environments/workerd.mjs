// Cloudflare's workerd, run by miniflare, with a bundle made under the conditions that Cloudflare's own tools set.
//
// The date is one at which workerd refuses to compile wasm anywhere: only a module that was imported is left.

import { FUNCTION } from '../program.mjs'
import { freePort } from '../project.mjs'

const CONDITIONS = 'workerd,worker,browser'

/** A Worker that answers with the line, and so does its class for Durable Objects. */
const worker = (open, imports) => `${imports}

${FUNCTION}

export class Room {
  database = ${open}

  async fetch() {
    return new Response(await program(this.database))
  }
}

export default {
  async fetch(request, { ROOM }) {
    if (request.url.endsWith('/room')) return ROOM.get(ROOM.idFromName('a room')).fetch(request)
    return new Response(await program(${open}))
  },
}
`

const files = {
  'main.js': worker('open()', "import { open } from 'brooklet'"),
  'slim.js': worker('open({ wasm })', "import wasm from 'brooklet/engine.wasm'\nimport { open } from 'brooklet/slim'"),
}

async function run(project, file, path) {
  const words = ['--bundle', '--format=esm', `--conditions=${CONDITIONS}`, '--loader:.wasm=copy', '--outdir=out']
  await project.tool('esbuild', file, ...words)
  return project.run('node', 'run.js', `out/${file}`, path, String(await freePort()))
}

export default {
  name: 'workerd',
  version: (tools) => tools.version('workerd'),
  files: {
    ...files,
    'run.js': `import { Miniflare } from 'miniflare'

const [scriptPath, path, port] = process.argv.slice(2)
const miniflare = new Miniflare({
  modules: true,
  scriptPath,
  modulesRules: [{ type: 'CompiledWasm', include: ['**/*.wasm'] }],
  compatibilityDate: '2024-01-01',
  durableObjects: { ROOM: 'Room' },
  port: Number(port),
})
try {
  console.log(await (await miniflare.dispatchFetch('http://localhost' + path)).text())
} finally {
  await miniflare.dispose()
}
`,
  },
  runs: {
    'in a request': (project) => run(project, 'main.js', '/'),
    'in a Durable Object': (project) => run(project, 'main.js', '/room'),
    'slim, in a request': (project) => run(project, 'slim.js', '/'),
  },
}
