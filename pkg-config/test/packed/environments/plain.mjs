// No bundler: modules from a static server, under a strict content security policy.

import { esModule, page } from '../program.mjs'

const BROOKLET = './node_modules/brooklet/dist'
const WASM = `new URL('${BROOKLET}/engine.wasm', location.href)`

export const POLICY = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'"
/** Without the word for wasm nothing can be compiled. */
const POLICY_TOO_STRICT = "default-src 'self'"

const slim = (wasm) => esModule(`open({ wasm: ${wasm} })`, `import { open } from '${BROOKLET}/slim.js'`)

/** A script that runs another one in a Worker. */
function worker(script) {
  return [
    `const worker = new Worker('./${script}-in-worker.js', { type: 'module' })`,
    'worker.onmessage = ({ data }) => console.log(data)',
    "worker.onerror = ({ message }) => console.error('worker:', message)\n",
  ].join('\n')
}

const scripts = {
  'import.js': esModule('open()', `import { open } from '${BROOKLET}/index.js'`),
  'slim-address.js': slim(WASM),
  'slim-response.js': slim(`fetch(${WASM})`),
  'slim-bytes.js': slim(`fetch(${WASM}).then((response) => response.arrayBuffer())`),
  'slim-module.js': slim(`WebAssembly.compileStreaming(fetch(${WASM}))`),
  'stored.js': esModule(
    "open({ storage: indexedDb('stored') })",
    `import { open } from '${BROOKLET}/index.js'\nimport { indexedDb } from '${BROOKLET}/indexeddb.js'`,
  ),
  'worker.js': worker('import'),
  'worker-stored.js': worker('stored'),
}

const inWorker = (script) => [`${script}-in-worker.js`, scripts[`${script}.js`].replace('console.log(', 'postMessage(')]
const files = Object.fromEntries(['import', 'stored'].map(inWorker))
const runs = {}
for (const [script, text] of Object.entries(scripts)) {
  const path = script.replace('.js', '.html')
  files[script] = text
  files[path] = page(`./${script}`)
  runs[script] = (project) => project.site('.', { path, headers: { 'content-security-policy': POLICY } })
}

export default {
  name: 'No bundler',
  version: (tools, browser) => `Chromium ${browser.version}`,
  files,
  runs,
  checks: {
    // Shows that the policy is in force, and that breaches are noticed.
    'policy too strict': async (project) => {
      const headers = { 'content-security-policy': POLICY_TOO_STRICT }
      const outcome = await project.site('.', { path: 'import.html', headers }).then(String, String)
      if (!/policy breached: script-src/.test(outcome)) throw new Error(`a breach was not noticed: ${outcome}`)
    },
  },
}
