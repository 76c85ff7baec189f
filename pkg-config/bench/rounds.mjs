// Times, taken in rounds that take turns.
//
// *Design.* On a machine that others use too, one long measurement says when it was disturbed, not how long the work
// takes. So everything that is compared is measured in many short rounds, one after the other in turn, and the median of
// the rounds is told, with half the distance between their quartiles as the spread.

/** The measurements of one thing, each in microseconds for one unit of work. */
export class Rounds {
  times = []

  /** Measures one round of `units` units of work. */
  async measure(units, work) {
    const start = performance.now()
    await work()
    this.times.push(((performance.now() - start) * 1000) / units)
  }

  /** Adds what was measured elsewhere. */
  add(time) {
    this.times.push(time)
  }

  get median() {
    return this.at(0.5)
  }

  /** The median and the spread, as tables show them. */
  get cells() {
    const spread = ((this.at(0.75) - this.at(0.25)) / 2 / this.median) * 100
    return [digits(this.median), `+-${spread.toFixed(0)} %`]
  }

  at(share) {
    const sorted = this.times.toSorted((one, other) => one - other)
    return sorted[Math.round((sorted.length - 1) * share)]
  }
}

/** Runs each work once a round, in turn. The first rounds are for the compiler and do not count. */
export async function inTurn(rounds, works, { warmUp = Math.ceil(rounds / 5) } = {}) {
  const results = works.map(() => new Rounds())
  for (let round = -warmUp; round < rounds; round++) {
    for (const [index, { units, before, work }] of works.entries()) {
      await before?.()
      await (round < 0 ? new Rounds() : results[index]).measure(units, work)
    }
  }
  return results
}

/** A number with three digits that count. */
export function digits(number) {
  return number >= 100 ? number.toFixed(0) : number.toPrecision(3)
}

/** Prints a table in Markdown, so that it can be put into docs/performance.md as it is. */
export function table(head, rows) {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => String(row[column]).length)))
  const line = (cells) => console.log(`| ${cells.map((cell, column) => String(cell).padEnd(widths[column])).join(' | ')} |`)
  line(head)
  line(widths.map((width) => '-'.repeat(width)))
  for (const row of rows) line(row)
  console.log()
}
