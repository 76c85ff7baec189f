// The errors that callers see. Wrong arguments are a TypeError, as everywhere in JavaScript.

/** An error reply. Its code is the first word. */
export class RedisError extends Error {
  readonly code: string
  declare readonly ids?: string[]

  constructor(message: string) {
    super(message)
    this.code = message.split(' ', 1)[0]!
  }
}

/** The database was closed. */
export class ClosedError extends Error {
  constructor() {
    super('the database is closed')
  }
}

/** The engine failed. */
export class EngineError extends Error {
  constructor(cause: unknown) {
    super(`the engine failed and cannot be used any more: ${cause}`, { cause })
  }
}

// Names are said as text, because the classes' own get shortened.
for (const [value, type] of Object.entries({ RedisError, ClosedError, EngineError })) {
  Object.defineProperty(type, 'name', { value })
  Object.defineProperty(type.prototype, 'name', { value, configurable: true, writable: true })
}
