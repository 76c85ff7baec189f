// What is stored and how it is read, the same on all sides.

/** Fields of an entry: four small ones, of which no two entries have the same. */
export function fields(number) {
  return { page: `/p/${number % 97}`, ms: String(number % 1000), user: `u${number}`, kind: number % 3 === 0 ? 'view' : 'click' }
}

/** The same as words, as Redis' clients want them. */
export function words(number) {
  return Object.entries(fields(number)).flat()
}

/** What was read, so that reading it cannot be left out: every string is looked at. */
export class Reader {
  sum = 0

  /** A string that is a part of another one is made only when it is looked at. */
  text(text) {
    this.sum = (this.sum + text.charCodeAt(text.length - 1) + text.length) | 0
  }

  /** An entry of this package: names and values in one list, as the others have them. */
  entry({ id, flat }) {
    this.array([id, flat])
  }

  /** An entry as ioredis gives it. */
  array([id, texts]) {
    this.text(id)
    for (const text of texts) this.text(text)
  }
}
