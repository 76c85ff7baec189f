// Announces what happens in IndexedDB: `append placed`, `cut complete`, and so on.
//
// *Design.* A transaction is what was placed in it. Its kinds are told apart by the stores and the methods; one may be
// of several: a flip cuts the log, and so does a deletion of the log alone. The phases are
//
// - `placing`: something was placed, and more follows;
// - `placed`: it was told to commit, or the task is over in which it was made;
// - `complete`: IndexedDB says so, and the adapter has not heard it yet;
// - `abort`: the same, of one that does not happen. So ends the first on a connection, see connection.rs;
// - `heard`: the adapter has heard it, and whoever waited for it was told.
//
// *Why the prototypes are wrapped, not the objects.* The adapter has the browser's own objects in hand, as always.

const BIG_BYTES = 1 << 20

/** By transaction: what was placed in it, and what was announced. */
const placed = new WeakMap()

/** Announces all events to somebody who may never return. To be called before anything is opened. */
export function announceEvents(announce) {
  watchTransactions(announce)
  watchWitness(announce)
}

function watchTransactions(announce) {
  const tellOf = (transaction, phase) => {
    for (const kind of kindsOf(placed.get(transaction))) announce(`${kind} ${phase}`)
  }
  const { transaction } = IDBDatabase.prototype
  IDBDatabase.prototype.transaction = function (...words) {
    const made = transaction.apply(this, words)
    const content = { mode: made.mode, orders: [], bytes: 0, isPlaced: false }
    placed.set(made, content)
    made.addEventListener('complete', () => tellOf(made, 'complete'))
    made.addEventListener('abort', () => tellOf(made, 'abort'))
    queueMicrotask(() => {
      // Those behind the adapter's own handler, which is there by now, hear it last.
      made.addEventListener('complete', () => tellOf(made, 'heard'))
      if (!content.isPlaced) {
        content.isPlaced = true
        tellOf(made, 'placed')
      }
    })
    return made
  }
  const { commit } = IDBTransaction.prototype
  IDBTransaction.prototype.commit = function () {
    commit.call(this)
    const content = placed.get(this)
    content.isPlaced = true
    tellOf(this, 'placed')
  }
  for (const method of ['put', 'add', 'delete', 'clear', 'get', 'getAll', 'getAllKeys']) {
    const run = IDBObjectStore.prototype[method]
    IDBObjectStore.prototype[method] = function (...words) {
      const request = run.apply(this, words)
      const content = placed.get(this.transaction)
      if (content === undefined) return request
      content.orders.push(`${method} ${this.name}`)
      if (words[0] instanceof Uint8Array) content.bytes += words[0].length
      if (content.mode === 'readwrite') tellOf(this.transaction, 'placing')
      return request
    }
  }
}

/** The kinds that a transaction is of. */
function kindsOf({ mode, orders, bytes }) {
  const has = (order) => orders.includes(order)
  if (mode === 'readonly') return has('getAllKeys parts') ? ['listing'] : ['reading']
  if (orders.some((order) => order.endsWith(' heal'))) return ['heal']
  if (has('add head')) return ['opening']
  const kinds = []
  if (has('getAll head')) kinds.push('claim')
  if (has('put log')) kinds.push(bytes >= BIG_BYTES ? 'big append' : 'append')
  if (has('put parts')) kinds.push('parts')
  if (has('put meta')) kinds.push('flip')
  if (has('delete log')) kinds.push('cut')
  if (has('delete parts')) kinds.push('tidying')
  return kinds
}

/** The witness is a file that is written beside and takes the other's place when it is closed. */
function watchWitness(announce) {
  const { close } = FileSystemWritableFileStream.prototype
  FileSystemWritableFileStream.prototype.close = function () {
    const closing = close.call(this)
    announce('witness placed')
    return closing.then(() => announce('witness complete'))
  }
}
