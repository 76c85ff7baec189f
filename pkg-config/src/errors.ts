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

export const { StorageError, StorageBusyError } = {
  /** A database cannot be stored, or what is stored cannot be read. */
  StorageError: class extends NamedError {},

  /** More waits to be stored than is kept in memory. */
  StorageBusyError: class extends RedisError {},
}

export const {
  CorruptError,
  DataLossError,
  EngineRestartedError,
  FencedError,
  FormatTooNewError,
  LockedError,
  StorageFullError,
} = {
  /** What is stored is damaged. */
  CorruptError: class extends StorageError {},
  /** Less is stored than was known to be durable. */
  DataLossError: class extends StorageError {},
  /** The engine failed and was rebuilt from the storage. */
  EngineRestartedError: class extends StorageError {
    constructor(cause: unknown) {
      const what = 'what was called and not answered may have happened or not'
      super(`the engine failed and is made anew from what is stored; ${what}: ${cause}`, { cause })
    }
  },
  /** Another owner has taken over. */
  FencedError: class extends StorageError {},
  /** A newer version has written what is stored. */
  FormatTooNewError: class extends StorageError {},
  /** Another one has it open. */
  LockedError: class extends StorageError {},
  /** There is no room. */
  StorageFullError: class extends StorageError {},
}

/** The errors of storages, by the names that the engine gives them. */
export const STORAGE_ERRORS = {
  StorageError,
  CorruptError,
  DataLossError,
  FencedError,
  FormatTooNewError,
  LockedError,
  StorageFullError,
}

/** An error reply as an error. */
export function replyError(line: string): InstanceType<typeof RedisError> {
  return line.startsWith('BUSY ') ? new StorageBusyError(line) : new RedisError(line)
}
