// WHATWG streams over a stream's entries, with back-pressure both ways.
//
// Nothing is fetched before somebody reads, and one write is run after the other.

/** What an iteration yields, as a stream. */
export function readable<T>(iteration: AsyncIterableIterator<T>): ReadableStream<T> {
  return new ReadableStream<T>(
    {
      async pull(controller) {
        const { value, done } = await iteration.next()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      async cancel() {
        await iteration.return!()
      },
    },
    { highWaterMark: 0 },
  )
}

/** A stream of which every chunk is handed to `write`. */
export function writable(write: (chunk: unknown) => unknown): WritableStream<unknown> {
  return new WritableStream<unknown>({
    async write(chunk) {
      await write(chunk)
    },
  })
}
