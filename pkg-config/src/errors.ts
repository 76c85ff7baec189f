// The errors that callers see. Wrong arguments are a TypeError, as everywhere in JavaScript.
//
// Each class is the property of an object, from which it has its name: other names get shortened.

abstract class NamedError extends Error {
  override get name(): string {
    return this.constructor.name
  }
}

export const { RedisError, ClosedError, EngineError } = {
  /** An error reply. Its code is the first word. */
  RedisError: class extends NamedError {
    readonly code: string
    declare readonly ids?: string[]

    constructor(message: string) {
      super(message)
      this.code = message.split(' ', 1)[0]!
    }
  },

  /** The database was closed. */
  ClosedError: class extends NamedError {
    constructor() {
      super('the database is closed')
    }
  },

  /** The engine failed. */
  EngineError: class extends NamedError {
    constructor(cause: unknown) {
      super(`the engine failed and cannot be used any more: ${cause}`, { cause })
    }
  },
}
