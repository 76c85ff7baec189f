// Where a hazard happens: an origin of its own in a browser.

/** An origin that nobody else uses, and the tabs that were opened there. */
export class Place {
  constructor(browser, port, host) {
    this.browser = browser
    this.origin = `http://${host}:${port}`
    this.insecure = `http://insecure.test:${port}`
    this.tabs = []
  }

  /** The address of a page. */
  at(path = 'page.html') {
    return `${this.origin}/${path}`
  }

  /** Opens a tab with a page that has the package. */
  async tab(path) {
    const tab = await this.browser.tab(this.at(path))
    this.tabs.push(tab)
    return tab
  }

  clear(kinds) {
    return this.browser.clear(this.origin, kinds)
  }

  quota(bytes) {
    return this.browser.quota(this.origin, bytes)
  }

  /** Fails if something was not caught in a page. */
  ensureCalm() {
    const [first] = this.tabs.flatMap(({ uncaught }) => uncaught)
    ensure(first === undefined, `uncaught in a page: ${first}`)
  }

  /** Clears up, whatever state it is in. */
  async end() {
    for (const tab of this.tabs) await tab.close().catch(() => {})
    await this.clear().catch(() => {})
  }
}

/** Fails with this sentence unless something is so. */
export function ensure(isSo, sentence) {
  if (!isSo) throw new Error(sentence)
}

/** Fails unless both are the same as JSON. */
export function same(found, expected, what) {
  const [one, other] = [found, expected].map((value) => JSON.stringify(value))
  ensure(one === other, `${what}: ${one} and not ${other}`)
}

/** Fails unless the outcome is an error of this name, whose message has these words. */
export function fails(outcome, name, words, what) {
  const isSo = outcome?.error === name && words.every((word) => outcome.message.includes(word))
  ensure(isSo, `${what}: ${JSON.stringify(outcome)} and not a ${name} with ${JSON.stringify(words)}`)
}

/** Fails unless everything of the one list is in the other. */
export function includes(all, some, what) {
  const missing = some.filter((one) => !all.includes(one))
  ensure(missing.length === 0, `${what}: ${missing.length} of ${some.length} are missing, the first is ${missing[0]}`)
}

/** The whole numbers from one to another. */
export function count(from, to) {
  return Array.from({ length: to - from + 1 }, (_, at) => from + at)
}

/** Opens the database in a tab, which has to succeed. */
export async function opened(tab, options = {}) {
  same(await tab.run((options) => begin(options), options), { value: 'open' }, 'opening')
}

/** Adds entries in a tab, which have to be acknowledged. */
export async function added(tab, from, to, bytes = 0, options = {}) {
  const { acknowledged, failure } = await tab.run((...given) => add(...given), from, to, bytes, options)
  same(failure, undefined, 'the failure of adding')
  same(acknowledged, count(from, to), 'what was acknowledged')
}
