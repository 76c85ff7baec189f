// Wrong findings, to see whether the judge notices each: what a database that has lost something would show.
//
// *Design.* What was told in the lives of one database is kept, and told again to a new history for each mutation. Then what
// was really found is judged, with one thing changed in it.

import { History } from './history.mjs'

/** What a mutation needs is not there. */
class NothingToChange extends Error {}

function needed(value) {
  if (value === undefined || value === -1) throw new NothingToChange()
  return value
}

/** What is changed, in a finding of which the history says what it may need. */
const MUTATIONS = {
  'an entry is gone': ({ streams: { once } }) => needed(once.entries.pop()) && once.length--,
  'an entry in the middle is gone': ({ streams: { left } }) => needed(left.entries.splice(1, 1)[0]) && left.length--,
  'a field has changed': ({ streams: { once } }) => (needed(once.entries.at(-1))[2] += '0'),
  'two entries have changed places': ({ streams: { left } }) => left.entries.push(needed(left.entries.shift())),
  'an ID has changed': ({ streams: { right } }) => (needed(right.entries.at(-1))[0] = '1-1'),
  'a number has changed': ({ streams: { right } }) => (needed(right.entries.at(-1))[1] = '1/both/9999'),
  'nobody added an entry': ({ streams: { once } }) => once.entries.push(['9999999999999-0', 'x', '']) && once.length++,
  'the length is wrong': ({ streams }) => streams.log.length++,
  'a deleted entry is back': ({ streams: { log } }, history) => {
    const [id, { number }] = needed([...history.streams.get('log').entries].find(([, entry]) => entry.isGone))
    log.entries.unshift([id, number, history.digestOf(number)])
    log.length++
  },
  'half of a unit is gone': ({ streams: { right } }) => needed(right.entries.pop()) && right.length--,
  'the last ID is behind': ({ streams }) => (streams.log.lastId = '1-0'),
  'fewer entries were added': ({ streams }) => (streams.left.entriesAdded = 0),
  'the counter is behind': (found) => (found.counter = 0),
  'a message is not pending any more': ({ group }, history) => {
    group.pending.splice(parked(group, history), 1)
    group.total--
  },
  'a message is of another one': ({ group }, history) => {
    const message = group.pending[parked(group, history)]
    message[1] = message[1] === 'a' ? 'c' : 'a'
  },
  'a message was delivered less often': ({ group }, history) => (group.pending[parked(group, history)][2] = 0),
  'an acknowledged message is back': ({ group }, history) => {
    const [id] = needed([...history.messages].find(([, message]) => message.over !== null))
    group.pending.push([id, 'a', 1])
    group.total++
  },
  'a message is pending twice': ({ group }) => group.pending.push(needed(group.pending[0])),
  'the last delivered ID is behind': ({ group }) => (group.lastDeliveredId = '0-1'),
  'the epoch is that of before': ({ durability }, history) => (durability.epoch = history.epoch),
  'the end is called clean': ({ durability }) => (durability.wasClean = !durability.wasClean),
  'a loss is told that was none': ({ durability }) => durability.losses.push('something'),
  'a loss is remembered that was none': ({ durability }) => (durability.isLossy = true),
}

/** The place of a message that has to be pending, and of which it is known whose it is. */
function parked({ pending }, history) {
  const place = pending.findIndex(([id]) => {
    const message = history.messages.get(id)
    return message?.over === null && message.owner !== null && history.staysParked(message)
  })
  return needed(place)
}

/** Tries all mutations. `told` is what a history has kept, the last of it a finding. */
export function tryMutations({ seed, told, digests }) {
  const results = { noticed: [], unnoticed: [], impossible: [] }
  for (const [name, change] of Object.entries(MUTATIONS)) results[tryMutation(new History(seed, digests), told, change)].push(name)
  return results
}

function tryMutation(history, told, change) {
  const last = told.findLastIndex(([kind]) => kind === 'judge')
  for (const [kind, value] of told.slice(0, last)) history[kind](structuredClone(value))
  const found = structuredClone(told[last][1])
  try {
    change(found, history)
  } catch (error) {
    if (error instanceof NothingToChange) return 'impossible'
    throw error
  }
  history.judge(found)
  return history.violations.length > 0 ? 'noticed' : 'unnoticed'
}
