// The bytes of a value, which tell of which one, and where they are.

/** The bytes of the value with this number: mostly a few, sometimes 100,000. */
export function bodyOf(number) {
  const length = number % 7 === 0 ? 100_000 : 10 + (number % 50)
  return Uint8Array.from({ length }, (_, at) => (number * 31 + at * 7) & 255)
}
