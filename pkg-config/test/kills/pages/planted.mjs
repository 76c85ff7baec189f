// Bugs that are planted between the adapter and IndexedDB, to see whether they are noticed.

/** The bugs by name. */
export const PLANTED = { 'acknowledges early': acknowledgeEarly, 'truncates early': truncateEarly }

/** The adapter hears that a transaction is complete as soon as it was told to commit. */
function acknowledgeEarly() {
  const { commit } = IDBTransaction.prototype
  IDBTransaction.prototype.commit = function () {
    commit.call(this)
    queueMicrotask(() => {
      const hear = this.oncomplete
      this.oncomplete = null
      this.onabort = null
      hear?.({ type: 'complete', target: this })
    })
  }
}

/** A transaction that puts a manifest and deletes what it covers of the log becomes two: first the log is deleted. */
function truncateEarly() {
  const { transaction } = IDBDatabase.prototype
  IDBDatabase.prototype.transaction = function (stores, mode, options) {
    const isFlip = mode === 'readwrite' && stores.includes('meta') && stores.length < 5
    if (!isFlip) return transaction.call(this, stores, mode, options)
    return new TornTransaction((names) => transaction.call(this, names, mode, options), stores)
  }
}

/** What is placed in it is recorded, and done in two transactions when it is told to commit. */
class TornTransaction {
  error = null
  orders = []

  constructor(begin, stores) {
    this.begin = begin
    this.stores = stores
  }

  objectStore(name) {
    const record = (method) => (...words) => {
      this.orders.push({ name, method, words })
      return {}
    }
    return { put: record('put'), delete: record('delete') }
  }

  commit() {
    const isCut = ({ name, method }) => name === 'log' && method === 'delete'
    const [cuts, others] = [this.orders.filter(isCut), this.orders.filter((order) => !isCut(order))]
    const last = () => this.run(this.stores, others, () => this.end('complete'))
    if (cuts.length > 0) this.run(['log'], cuts, last)
    else last()
  }

  abort() {
    this.end('abort')
  }

  run(stores, orders, next) {
    const transaction = this.begin(stores)
    transaction.oncomplete = next
    transaction.onabort = () => {
      this.error = transaction.error
      this.end('abort')
    }
    for (const { name, method, words } of orders) transaction.objectStore(name)[method](...words)
    transaction.commit()
  }

  end(type) {
    this[`on${type}`]?.({ type, target: this })
  }
}
