// The server of the pages and of the package.

import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm' }

/** Serves folders by the first part of the path, on a free port, and says which. */
export async function serve(folders) {
  const server = createServer((request, response) => answer(folders, request, response))
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  const end = () => {
    server.closeAllConnections()
    server.close()
  }
  return { port, end }
}

async function answer(folders, request, response) {
  const path = normalize(decodeURIComponent(new URL(request.url, 'http://localhost').pathname))
  const [, first, ...rest] = path.split('/')
  const file = join(folders[first] ?? join(folders.pages, first), ...rest)
  try {
    const bytes = await readFile(file)
    response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' }).end(bytes)
  } catch {
    response.writeHead(404).end()
  }
}
