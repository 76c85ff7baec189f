// Next: a page that runs in the browser (and is rendered on the server before), and a route that runs on the server.

import { FUNCTION } from '../program.mjs'
import { freePort } from '../project.mjs'

export default {
  name: 'Next',
  version: (tools) => tools.version('next'),
  files: {
    'app/layout.js': `export default function Layout({ children }) {
  return <html lang="en"><body>{children}</body></html>
}
`,
    'app/page.js': `'use client'
import { useEffect } from 'react'
import { open } from 'brooklet'

${FUNCTION}

export default function Page() {
  useEffect(() => {
    program(open()).then((line) => console.log(line))
  }, [])
  return <p>brooklet</p>
}
`,
    'app/server/route.js': `import { open } from 'brooklet'

${FUNCTION}

export const dynamic = 'force-dynamic'

export async function GET() {
  return new Response(await program(open()))
}
`,
  },
  runs: {
    'client page': async (project) => {
      await project.tool('next', 'build')
      return run(project, (address) => project.page(address))
    },
    'server route': (project) => run(project, async (address) => (await fetch(`${address}server`)).text()),
  },
}

async function run(project, use) {
  const port = await freePort()
  const words = [project.tools.program('next'), 'start', '--hostname', '127.0.0.1', '--port', String(port)]
  return project.serve(words, port, use)
}
