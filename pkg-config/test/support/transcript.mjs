// Transcripts: how a file of cases is read. tests/conformance/README.md of the repository describes the format.
//
// A transcript is data, and nothing here knows who answers the commands. It needs no Node: browsers read transcripts,
// too.

const encoder = new TextEncoder()

/** Reads the cases of a file. Each has a name, a line, settings and steps. */
export function readCases(file, text) {
  const cases = []
  /** A command, or commands, whose reply comes on a later line. */
  let open
  for (const [number, line] of joinedLines(text)) {
    const fail = (fault) => new Error(`${file}:${number}: ${fault}`)
    const steps = cases.at(-1)?.steps
    if (open?.batch !== undefined && !open.isClosed) {
      if (line === '}') open.isClosed = true
      else if (line.startsWith('> ')) open.batch.push(parseArguments(line.slice(2)))
      else throw fail('a command or } is expected')
      continue
    }
    if (open !== undefined) {
      steps.push({ ...open, expected: line === 'blocked' ? undefined : parseReply(line) })
      open = undefined
      continue
    }
    const [word, ...words] = line.split(' ')
    const rest = words.join(' ')
    if (word !== '=' && steps === undefined) throw fail('a case is expected')
    switch (word) {
      case '=':
        cases.push({ file, line: number, name: rest, settings: [], steps: [] })
        break
      case '>': {
        const [client, command] = splitClient(rest)
        open = { action: 'call', line: number, text: line, client, argv: parseArguments(command) }
        break
      }
      case 'exec':
        open = { action: 'exec', line: number, text: line, batch: [], isClosed: false }
        break
      case '<': {
        const [client, reply] = splitClient(rest)
        steps.push({ action: 'woken', line: number, text: line, client, expected: parseReply(reply) })
        break
      }
      case 'for': {
        const [, first, last, command] = /^(\d+)\.\.(\d+): (.*)$/.exec(rest)
        const argv = parseArguments(command)
        steps.push({ action: 'fill', line: number, text: line, first: +first, last: +last, argv })
        break
      }
      case 'cancel':
        steps.push({ action: 'cancel', line: number, text: line, client: +rest })
        break
      case 'clock':
        if (rest.startsWith('+')) steps.push({ action: 'pass', line: number, text: line, durationMs: +rest.slice(1) })
        else steps.push({ action: 'clock', line: number, text: line, nowMs: +rest })
        break
      case 'db':
        steps.push({ action: 'select', line: number, text: line, database: +rest })
        break
      case 'config':
        cases.at(-1).settings.push([words[0], words[1]])
        break
      // These are for servers, of which some are older, and none has the engine's clock.
      case 'since':
      case 'relax':
      case 'engine':
        break
      default:
        throw fail(`no such line: ${line}`)
    }
  }
  if (open !== undefined) throw new Error(`${file}:${open.line}: no reply is given for this command`)
  return cases
}

/** The lines that say something. One that starts with a blank continues the one before. */
function joinedLines(text) {
  const lines = []
  text.split('\n').forEach((line, index) => {
    if (line.startsWith(' ') && lines.length > 0) lines.at(-1)[1] += ` ${line.trim()}`
    else if (line.trim() !== '' && !line.startsWith('#')) lines.push([index + 1, line.trimEnd()])
  })
  return lines
}

function splitClient(text) {
  const [, client, rest] = /^(\d+): (.*)$/.exec(text) ?? [undefined, '1', text]
  return [+client, rest]
}

/** The words of a command: text, or bytes if they are none. */
export function parseArguments(line) {
  const reader = new Reader(line)
  const words = []
  for (;;) {
    reader.skipBlanks()
    if (reader.isAtEnd()) return words
    words.push(reader.peek() === '"' ? reader.quoted() : asText(encoder.encode(reader.until(/ /))))
  }
}

/** What a reply must be: a function that says whether a value is it. */
export function parseReply(text) {
  if (text.startsWith('-') && !text.startsWith('-"')) return isError(text.slice(1))
  const reader = new Reader(text)
  const matches = reader.reply()
  reader.skipBlanks()
  if (!reader.isAtEnd()) throw new Error(`text after the reply: ${text}`)
  return matches
}

/** Text, if the bytes are valid UTF-8. */
function asText(bytes) {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return bytes
  }
}

/** An error's message is text, whatever its bytes are. */
function isError(line) {
  const message = typeof line === 'string' ? line : new TextDecoder().decode(line)
  return (got) => got instanceof Error && got.name === 'RedisError' && got.message === message
}

const isInteger = (number) => (got) => typeof number === typeof got && number === got
const isArray = (items, isOpen) => (got) =>
  Array.isArray(got) &&
  (isOpen ? got.length >= items.length : got.length === items.length) &&
  items.every((item, place) => item(got[place]))

function isText(text) {
  if (typeof text === 'string') return (got) => got === text
  return (got) => got instanceof Uint8Array && got.length === text.length && got.every((byte, at) => byte === text[at])
}

/** Pairs, flat, as RESP2 has maps. With other pairs allowed anywhere, if `isOpen`. */
function isMap(items, isOpen) {
  if (!isOpen) return isArray(items, false)
  return (got) => {
    if (!Array.isArray(got)) return false
    let place = 0
    for (let item = 0; item < items.length; item += 2) {
      while (place < got.length && !(items[item](got[place]) && items[item + 1](got[place + 1]))) place += 2
      if (place >= got.length) return false
      place += 2
    }
    return true
  }
}

function isPairs(items) {
  const pairs = []
  for (let item = 0; item < items.length; item += 2) pairs.push(isArray(items.slice(item, item + 2), false))
  return isArray(pairs, false)
}

/** An integer, as the package gives it: a number while it is exact. */
function toInteger(digits) {
  const number = Number(digits)
  return Number.isSafeInteger(number) ? number : BigInt(digits)
}

class Reader {
  constructor(text) {
    this.text = text
    this.at = 0
  }

  isAtEnd() {
    return this.at >= this.text.length
  }

  peek() {
    return this.text[this.at]
  }

  skipBlanks() {
    while (this.peek() === ' ') this.at++
  }

  take(prefix) {
    if (!this.text.startsWith(prefix, this.at)) return false
    this.at += prefix.length
    return true
  }

  until(end) {
    const start = this.at
    while (!this.isAtEnd() && !end.test(this.peek())) this.at++
    return this.text.slice(start, this.at)
  }

  reply() {
    this.skipBlanks()
    if (this.take('[')) return isArray(...this.items(']'))
    if (this.take('%{')) return isMap(...this.items('}'))
    if (this.take('{')) return isPairs(this.items('}')[0])
    if (this.take('-')) return isError(this.quoted())
    if (this.peek() === '"') return isText(this.quoted())
    if (this.take('<')) return this.placeholder()
    const word = this.until(/[\s[\]{}<>"]/)
    if (word === '') throw new Error(`no reply at ${this.text.slice(this.at)}`)
    if (word === 'null' || word === 'null-array') return (got) => got === null
    if (word.startsWith(':')) return isInteger(toInteger(word.slice(1)))
    return isText(word.startsWith('+') ? word.slice(1) : word)
  }

  /** Replies up to a bracket, and whether more may follow. */
  items(close) {
    const items = []
    let isOpen = false
    for (;;) {
      this.skipBlanks()
      if (this.isAtEnd()) throw new Error(`${close} is missing`)
      if (this.take(close)) return [items, isOpen]
      if (this.take('...')) isOpen = true
      else items.push(this.reply())
    }
  }

  placeholder() {
    const [name, exact] = this.until(/>/).split('=')
    this.at++
    if (name === 'any') return () => true
    if (name.startsWith('lines ')) {
      const count = +name.slice('lines '.length)
      return (got) => Array.isArray(got) && got.length === count && got.every((line) => typeof line === 'string')
    }
    if (name === 'id') return exact === undefined ? (got) => /^\d+-\d+$/.test(got) : isText(exact)
    if (name !== 'int' && name !== 'ms') throw new Error(`an unknown placeholder: ${name}`)
    return exact === undefined ? (got) => /^(number|bigint)$/.test(typeof got) : isInteger(toInteger(exact))
  }

  quoted() {
    const bytes = []
    this.take('"')
    while (!this.take('"')) {
      if (this.isAtEnd()) throw new Error('a quote is not closed')
      const character = String.fromCodePoint(this.text.codePointAt(this.at))
      this.at += character.length
      if (character === '\\') bytes.push(this.escaped())
      else bytes.push(...encoder.encode(character))
    }
    if (!this.take('*')) return asText(Uint8Array.from(bytes))
    const times = +this.until(/\D/)
    const repeated = new Uint8Array(bytes.length * times)
    // Zeroes are there already: a GiB of them costs nothing until it is touched.
    if (bytes.some((byte) => byte !== 0)) {
      for (let at = 0; at < repeated.length; at++) repeated[at] = bytes[at % bytes.length]
    }
    return repeated.length > 1 << 28 ? repeated : asText(repeated)
  }

  escaped() {
    const character = this.text[this.at++]
    if (character === 'x') {
      this.at += 2
      return Number.parseInt(this.text.slice(this.at - 2, this.at), 16)
    }
    return { n: 10, r: 13, t: 9 }[character] ?? character.charCodeAt(0)
  }
}
