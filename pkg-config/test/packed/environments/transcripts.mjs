// The repository's transcripts in a page of Chromium, through the package: the same runner as in Node, under the same
// content security policy as any other page.
//
// The page says of each file how many cases it ran and left out, and what failed; Node, which has read the same files,
// knows what it has to say.

import { readFileSync, readdirSync } from 'node:fs'
import { POLICY } from './plain.mjs'
import { MARK, page } from '../program.mjs'
import { reasonToSkip } from '../../support/conformance.mjs'
import { readCases } from '../../support/transcript.mjs'

const support = new URL('../../support/', import.meta.url)
const directory = new URL('../../../../tests/conformance/', import.meta.url)
const read = (folder, name) => readFileSync(new URL(name, folder), 'utf8')

const names = readdirSync(directory).filter((name) => name.endsWith('.txt'))
const transcripts = Object.fromEntries(names.map((name) => [name, read(directory, name)]))

const SCRIPT = `import { open } from './node_modules/brooklet/dist/index.js'
import { reasonToSkip, runCase } from './conformance.mjs'
import { readCases } from './transcript.mjs'

const names = ${JSON.stringify(names)}
const told = {}
for (const name of names) {
  const text = await (await fetch('./transcripts/' + name)).text()
  const file = (told[name] = { run: 0, skipped: 0, failures: [] })
  for (const one of readCases(name, text)) {
    if (reasonToSkip(one) !== undefined) {
      file.skipped++
      continue
    }
    file.run++
    await runCase(open, one).catch((error) => file.failures.push(error.message))
  }
}
console.log('${MARK}' + JSON.stringify(told))
`

/** What the page has to say. */
function expected() {
  const told = {}
  for (const [name, text] of Object.entries(transcripts)) {
    const cases = readCases(name, text)
    const skipped = cases.filter((one) => reasonToSkip(one) !== undefined).length
    told[name] = { run: cases.length - skipped, skipped, failures: [] }
  }
  return told
}

export default {
  name: 'Transcripts',
  version: (tools, browser) => `Chromium ${browser.version}`,
  files: {
    'index.html': page('./script.js'),
    'script.js': SCRIPT,
    'conformance.mjs': read(support, 'conformance.mjs'),
    'transcript.mjs': read(support, 'transcript.mjs'),
    ...Object.fromEntries(names.map((name) => [`transcripts/${name}`, transcripts[name]])),
  },
  checks: {
    conformance: async (project) => {
      const line = await project.site('.', { headers: { 'content-security-policy': POLICY } })
      const told = JSON.parse(line.slice(MARK.length))
      const failures = Object.values(told).flatMap((file) => file.failures)
      if (failures.length > 0) throw new Error(`${failures.length} cases failed\n${failures.join('\n')}`)
      const [got, wanted] = [JSON.stringify(told), JSON.stringify(expected())]
      if (got !== wanted) throw new Error(`the page ran other cases than there are:\n${got}\n${wanted}`)
      const run = Object.values(told).reduce((sum, file) => sum + file.run, 0)
      if (run < 500) throw new Error(`only ${run} cases were run`)
      project.log.push(`${run} cases\n`)
    },
  },
}
