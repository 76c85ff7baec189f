// What goes between a page and the server that kills it.
//
// *Design.* Facts have numbers and go in order. Most go behind the page's back, a bundle at a time; at an event to be
// killed at, all that have not arrived go with one synchronous request, in which the page stands still.

const token = new URLSearchParams(location.search).get('life')
const address = (path) => `/${path}?life=${token}`

/** Facts that were told, and how many of them have arrived. */
const facts = []
let arrived = 0
let sending

export async function order() {
  const response = await fetch(address('order'))
  return response.json()
}

/** Tells a fact. */
export function tell(fact) {
  facts.push(fact)
  sending ??= send()
}

/** Tells a fact, and resolves when it has arrived. */
export async function tellSurely(fact) {
  tell(fact)
  const count = facts.length
  while (arrived < count) await sending
}

/** Tells everything, and that something has happened; nothing else happens meanwhile. */
export function tellEvent(event) {
  const request = new XMLHttpRequest()
  request.open('POST', address(`event/${encodeURIComponent(event)}`), false)
  const body = JSON.stringify({ from: arrived, facts: facts.slice(arrived) })
  request.send(body)
  arrived = Math.max(arrived, facts.length)
}

/** Sends something, and gives the answer. */
export async function ask(path, body) {
  const response = await fetch(address(path), { method: 'POST', body: JSON.stringify(body) })
  return response.json()
}

async function send() {
  while (arrived < facts.length) {
    const count = facts.length
    const body = JSON.stringify({ from: arrived, facts: facts.slice(arrived, count) })
    await fetch(address('tell'), { method: 'POST', body })
    arrived = Math.max(arrived, count)
  }
  sending = undefined
}
