// How the module lies in the default entry: its bytes sorted into streams, so that like stands beside like.
//
// *Design.* In a module of WebAssembly the code of an instruction is followed by what belongs to it: the number of a
// variable, an offset, a constant. gzip sees them mixed and finds little that repeats. Sorted into a stream for each kind,
// the same bytes take a sixth less with gzip, and putting them back takes a few milliseconds.
//
// One walk serves both directions. It moves each byte from where it stands to where it belongs and looks at it on the way;
// whether that is from the module into the streams or back is not its business, so one cannot know what the other does not.
//
// *Why not a better compression.* Only gzip is everywhere at hand. LZMA would gain as much, and its decoder, which the
// entry would have to bring along, takes ten times as long.
//
// *Layout.* For each stream its length, four bytes, lowest first; then the streams in their order.
//
// *Invariant.* unpack(pack(module)) is the module, byte by byte. An instruction that is not known here is no danger to
// that: what is behind it is taken for something else, but for the same in both directions, or the walk loses its way
// and pack() fails. build.mjs makes sure.

/** Kinds of bytes; a stream for each. (Other orders are up to a hundredth larger.) */
const REST = 0
const CODE = 1
const CONSTANT = 2
const OFFSET = 3
const TYPES = 4
const ALIGNMENT = 5
const BRANCH = 6
const LOCAL = 7
const TABLE = 8
const BLOCK = 9
const LONG_CONSTANT = 10
const SIZE = 11
const CALL = 12
const GLOBAL = 13
const STREAMS = 14

const LENGTH_BYTES = 4
const CODE_SECTION = 10

/** Instructions, from the first to the last, and the kind of the one number that follows them. */
const WITH_NUMBER = [
  [0x02, 0x04, BLOCK],
  [0x0c, 0x0d, BRANCH],
  [0x10, 0x10, CALL],
  [0x20, 0x22, LOCAL],
  [0x23, 0x26, GLOBAL],
  [0x28, 0x3e, OFFSET],
  [0x3f, 0x40, REST],
  [0x41, 0x41, CONSTANT],
  [0x42, 0x42, LONG_CONSTANT],
  [0xd0, 0xd0, REST],
  [0xd2, 0xd2, REST],
] as const
/** No number follows. */
const ALONE = STREAMS
const KINDS = new Uint8Array(256).fill(ALONE)
for (const [first, last, kind] of WITH_NUMBER) KINDS.fill(kind, first, last + 1)

const END = 0x0b
/** In front of the offset of a load or store stands its alignment; mostly it is the natural one, from 0x28 on. */
const LOAD = 0x28
const NATURAL = [2, 3, 2, 3, 0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 2, 3, 2, 3, 0, 1, 0, 1, 2]
/** How many numbers follow 0xfc and 8 to 17: instructions about memory and tables at large. */
const BULK = [2, 1, 2, 1, 2, 1, 2, 1, 1, 1]

/** Moves the next byte of a kind to where it belongs, changed by `mask`, and returns it. */
type Move = (kind: number, mask: number) => number

/** Walks over a module until it is over. */
function walk(move: Move, isOver: () => boolean): void {
  const number = (kind: number) => {
    let byte = move(kind, 0)
    let value = byte & 127
    for (let shift = 7; byte > 127; shift += 7) {
      byte = move(kind, 0)
      value |= (byte & 127) << shift
    }
    return value >>> 0
  }
  const bytes = (count: number) => {
    for (let left = count; left > 0; left--) move(REST, 0)
  }
  const numbers = (count: number, kind: number) => {
    for (let left = count; left > 0; left--) number(kind)
  }

  /** What follows the instructions that are not in the table. */
  const others = (code: number) => {
    if (code === 0x0e) numbers(number(TABLE) + 1, TABLE)
    else if (code === 0x11) numbers(2, TABLE)
    else if (code === 0x1c) bytes(number(REST))
    else if (code === 0x43) bytes(4)
    else if (code === 0x44) bytes(8)
    else if (code === 0xfc) numbers(BULK[number(CODE) - 8] ?? 0, REST)
  }

  /** Walks over the code of a function. */
  const code = () => {
    for (let depth = 1; depth > 0; ) {
      const code = move(CODE, 0)
      const kind = KINDS[code]!
      if (kind === OFFSET) move(ALIGNMENT, NATURAL[code - LOAD]!)
      if (kind === BLOCK) depth++
      if (kind !== ALONE) number(kind)
      else if (code === END) depth--
      else others(code)
    }
  }

  bytes(8)
  while (!isOver()) {
    const section = move(REST, 0)
    const size = number(REST)
    if (section !== CODE_SECTION) {
      bytes(size)
      continue
    }
    for (let functions = number(REST); functions > 0; functions--) {
      number(SIZE)
      numbers(number(TYPES) * 2, TYPES)
      code()
    }
  }
}

/** Sorts a module into streams. */
export function pack(module: Uint8Array): Uint8Array {
  const streams: number[][] = Array.from({ length: STREAMS }, () => [])
  let at = 0
  walk(
    (kind, mask) => {
      const byte = module[at++]
      if (byte === undefined) throw new Error('the module has what is not known here: src/packing.ts has to follow')
      streams[kind]!.push(byte ^ mask)
      return byte
    },
    () => at >= module.length,
  )
  const lengths = Uint32Array.from(streams, ({ length }) => length)
  return Uint8Array.from([...new Uint8Array(lengths.buffer), ...streams.flat()])
}

/** Puts the module together again. */
export function unpack(packed: Uint8Array): Uint8Array<ArrayBuffer> {
  const view = new DataView(packed.buffer, packed.byteOffset)
  const places = new Uint32Array(STREAMS)
  let start = STREAMS * LENGTH_BYTES
  const module = new Uint8Array(packed.length - start)
  for (let kind = 0; kind < STREAMS; kind++) {
    places[kind] = start
    start += view.getUint32(kind * LENGTH_BYTES, true)
  }
  let at = 0
  walk(
    (kind, mask) => (module[at++] = packed[places[kind]!++]! ^ mask),
    () => at >= module.length,
  )
  return module
}
