// What every entry gives beside `open`.

export {
  ClosedError,
  CorruptError,
  DataLossError,
  EngineError,
  EngineRestartedError,
  FencedError,
  FormatTooNewError,
  LockedError,
  RedisError,
  StorageBusyError,
  StorageError,
  StorageFullError,
} from './errors.js'
export { memory } from './memory.js'
