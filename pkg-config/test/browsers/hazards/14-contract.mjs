// The contract that every storage keeps to.

import { buildRawStorage } from '../module.mjs'
import { ensure } from '../place.mjs'

/** What it does not keep to, with the reason. */
const EXCEPTIONS = {
  'a page has one chunk at least, and ends when it has bytesMax bytes':
    'it reads as many as would fill the page if they were as long as can be; "about as many" is what is promised',
}

/** Random histories are long. */
const LIMIT_MS = 170_000

export default [
  {
    name: 'contract: the storage in IndexedDB keeps to it',
    prepare: buildRawStorage,
    async run(place) {
      const tab = await place.tab('contract.html')
      const outcomes = await tab.evaluate('check()', 'the contract suite', LIMIT_MS)
      const failed = outcomes.filter(({ name, failure }) => failure !== undefined && !(name in EXCEPTIONS))
      const words = failed.map(({ name, failure }) => `${name}: ${failure}`)
      ensure(failed.length === 0, `${failed.length} of ${outcomes.length} checks fail:\n${words.join('\n')}`)
      const excepted = outcomes.filter(({ name, failure }) => failure !== undefined && name in EXCEPTIONS)
      return `${outcomes.length - excepted.length} checks of ${outcomes.length}`
    },
  },
]
