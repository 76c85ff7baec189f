// What every environment runs, as text: it is written into projects, bundled, minified and served.
//
// *Design.* One function, which uses nothing but the database it is given, and says what it saw in one line. Its source
// is the text: what a project gets is an import, the function, and a call.
//
// *Why not a file that all projects import.* CommonJS needs another one, and a bundler should see one program with one
// import, as a user would write it.

/** What a program says when everything was as it should be. */
export const EXPECTED =
  'brooklet: / /caf\u00e9 \u00ff; 3 acknowledged; pending [0,null,null,null]; then /later; closed: ClosedError'

/** How such a line begins. */
export const MARK = 'brooklet: '

/** A program of ES modules. `open` is how the database is opened, `imports` what is needed for it. */
export function esModule(open = 'open()', imports = "import { open } from 'brooklet'") {
  return `${imports}\n\n${program}\n\nprogram(${open}).then((line) => console.log(line))\n`
}

/** The same, of CommonJS ones. */
export function commonJs(open = 'open()', imports = "const { open } = require('brooklet')") {
  return esModule(open, imports)
}

/** A function of its own, for those who call it themselves. */
export const FUNCTION = `${program}`

/** A page that loads a script. */
export function page(script) {
  return `<!doctype html><meta charset="utf-8"><title>brooklet</title><script type="module" src="${script}"></script>\n`
}

async function program(db) {
  const clicks = db.stream('clicks')
  await clicks.add({ page: '/' })
  await clicks.add({ page: '/caf\u00e9' })
  await clicks.add([['page', new Uint8Array([0xff])]])
  const pages = []
  for await (const entry of clicks.range()) {
    const value = entry.get('page')
    pages.push(typeof value === 'string' ? value : String.fromCharCode(...value))
  }
  const group = await clicks.group('workers')
  let acknowledged = 0
  for await (const message of group.read('worker-1', { count: 3 })) {
    await message.ack()
    acknowledged++
  }
  const pending = await db.call('XPENDING', 'clicks', 'workers')
  setTimeout(() => clicks.add({ page: '/later' }), 20)
  let later
  for await (const entry of clicks.read({ after: '$' })) {
    later = entry.get('page')
    break
  }
  await db.close()
  let closed = 'no'
  try {
    await clicks.length()
  } catch (error) {
    closed = error.name
  }
  const groupSaw = `${acknowledged} acknowledged; pending ${JSON.stringify(pending)}`
  return `brooklet: ${pages.join(' ')}; ${groupSaw}; then ${later}; closed: ${closed}`
}
