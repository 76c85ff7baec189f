// TypeScript: the types as a program for Node sees them (as an ES module and as a CommonJS one, without the types of
// browsers), as one for browsers that is bundled, and as a Worker. The types of the package itself are checked, too.
//
// `brooklet/slim` names what browsers declare, so for Node it is checked with the library that TypeScript takes when
// none is named, which has that.

const PROGRAM = `
interface Click { page: string; ms: number }

export async function program(): Promise<string | undefined> {
  await using database: Database = await open({ memoryBytesMax: 1 << 20 })
  const clicks: Stream<Click> = database.stream<Click>('clicks')
  const id: string = await clicks.add({ page: '/', ms: 12 })
  for await (const entry of clicks.range({ from: id, count: 1 })) {
    const page: string | undefined = entry.get('page')
    // @ts-expect-error no such field
    entry.get('pages')
    return page
  }
  const readable: ReadableStream<Entry<Click>> = clicks.readable({ after: '$' })
  await readable.cancel()
  // @ts-expect-error no such option
  await clicks.add({ page: '/', ms: 12 }, { maxlen: 3 })
  return new RedisError('OOM').code
}
`
const IMPORT = "import { open, RedisError, type Database, type Entry, type Stream } from 'brooklet'\n"
const SLIM = `import { open } from 'brooklet/slim'

export const database = (wasm: Uint8Array<ArrayBuffer>) => open({ wasm, replyBytesMax: 1 << 20 })
// @ts-expect-error nothing is opened without the module
open({})
`
const WASM = `import engine from 'brooklet/engine.wasm'

export const module: WebAssembly.Module = engine
`

const settings = (options) =>
  JSON.stringify({ compilerOptions: { target: 'es2022', strict: true, noEmit: true, ...options }, include: ['./*'] })

const NODE = { module: 'nodenext', lib: ['es2023'], types: ['node'] }
const BUNDLED = { module: 'esnext', moduleResolution: 'bundler', allowArbitraryExtensions: true }
const BROWSER = { ...BUNDLED, lib: [...NODE.lib, 'dom'], types: [] }
const WORKER = { ...BUNDLED, lib: NODE.lib, types: ['@cloudflare/workers-types'], customConditions: ['workerd'] }

export default {
  name: 'TypeScript',
  version: (tools) => tools.version('typescript'),
  files: {
    'node/tsconfig.json': settings(NODE),
    'node/main.mts': IMPORT + PROGRAM,
    'node/main.cts': IMPORT + PROGRAM,
    'node-slim/tsconfig.json': settings({ module: 'nodenext', types: ['node'] }),
    'node-slim/main.mts': SLIM,
    'node-slim/main.cts': SLIM,
    'browser/tsconfig.json': settings(BROWSER),
    'browser/main.ts': IMPORT + PROGRAM,
    'browser/slim.ts': SLIM,
    'browser/wasm.ts': WASM,
    'worker/tsconfig.json': settings(WORKER),
    'worker/main.ts': IMPORT + PROGRAM,
    'worker/wasm.ts': WASM,
  },
  checks: {
    Node: (project) => project.tool('tsc', '-p', 'node'),
    'Node, slim': (project) => project.tool('tsc', '-p', 'node-slim'),
    browser: (project) => project.tool('tsc', '-p', 'browser'),
    Worker: (project) => project.tool('tsc', '-p', 'worker'),
  },
}
