// What tests need: the contract of storages, a storage that fails when it is told to, a clock that is moved by hand.

export { memory } from './memory.js'
export { virtualClock } from './testing/clock.js'
export { checkStorage } from './testing/contract.js'
export { faults } from './testing/faults.js'
