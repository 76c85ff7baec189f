// Opens a database in a process of its own, and says how long that took, in milliseconds: `open()` alone, and together
// with loading the package.

const start = performance.now()
const { open } = await import('../dist/index.js')
const loaded = performance.now()
const database = await open()
const opened = performance.now()
await database.stream('first').add({ name: 'value' })
console.log(JSON.stringify({ open: opened - loaded, all: opened - start }))
