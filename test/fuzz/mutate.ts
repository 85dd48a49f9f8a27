// Mutations that know DER: they edit elements and mend the lengths around them, or break exactly one thing.

import type { SeededRandom } from './random.ts'

interface Element {
  readonly start: number
  readonly contentStart: number
  readonly end: number
  readonly parent: number
}

/** One to four mutations of a DER input. */
export function mutateDer(input: Uint8Array, random: SeededRandom, other: Uint8Array): Uint8Array {
  // A copy, and no Buffer: slice() of one would be a view of the seed
  let bytes: Uint8Array = new Uint8Array(input)
  for (let count = 1 + random.integer(4); count > 0; count--)
    bytes = random.pick(mutations)(bytes, random, other)
  return bytes.length > maxLength ? bytes.subarray(0, maxLength) : bytes
}

/** Mutations of a text. */
export function mutateText(input: string, random: SeededRandom): string {
  let text = input
  for (let count = 1 + random.integer(4); count > 0; count--) {
    const at = random.integer(text.length + 1)
    const end = Math.min(text.length, at + random.integer(20))
    const choices = [
      () => text.slice(0, at) + random.pick(oddCharacters) + text.slice(at),
      () => text.slice(0, at) + text.slice(end),
      () => text.slice(0, end) + text.slice(at),
      () => text.slice(0, at) + String.fromCharCode(random.integer(0x180)) + text.slice(at + 1),
      () => text.slice(at),
      () => text.slice(0, at),
      () => text.slice(0, at) + text.slice(at, end).repeat(1 + random.integer(50)) + text.slice(at),
    ]
    text = random.pick(choices)()
  }
  return text.length > maxLength ? text.slice(0, maxLength) : text
}

type Mutation = (bytes: Uint8Array, random: SeededRandom, other: Uint8Array) => Uint8Array

const flipBit: Mutation = (bytes, random) => {
  const out = bytes.slice()
  if (out.length > 0) out[random.integer(out.length)]! ^= 1 << random.integer(8)
  return out
}

const setOctet: Mutation = (bytes, random) => {
  const out = bytes.slice()
  if (out.length > 0) out[random.integer(out.length)] = random.pick(oddOctets)
  return out
}

const truncate: Mutation = (bytes, random) => bytes.slice(0, random.integer(bytes.length + 1))

const append: Mutation = (bytes, random) =>
  Uint8Array.from([...bytes, ...Array.from({ length: 1 + random.integer(8) }, () => random.integer(256))])

/**
 * Replaces one element by nothing, itself twice, another one, or one of the second input; the lengths around
 * it stay right.
 */
const editElement: Mutation = (bytes, random, other) => {
  const elements = elementsOf(bytes)
  if (elements.length === 0) return bytes
  const chosen = random.integer(elements.length)
  const { start, end } = elements[chosen]!
  const donors = random.integer(2) === 0 ? elementsOf(other) : elements
  const donor = donors.length === 0 ? undefined : random.pick(donors)
  const source = donors === elements ? bytes : other
  const replacement = random.pick([
    () => new Uint8Array(0),
    () => concat(bytes.subarray(start, end), bytes.subarray(start, end)),
    () => (donor === undefined ? new Uint8Array(0) : source.subarray(donor.start, donor.end)),
    () => concat(Uint8Array.of(0x30, 0), bytes.subarray(start, end)),
  ])()
  return replace(bytes, elements, chosen, replacement)
}

/** New content for a primitive element: empty, long, all ones, a leading zero. */
const editContent: Mutation = (bytes, random) => {
  const elements = elementsOf(bytes)
  if (elements.length === 0) return bytes
  const chosen = random.integer(elements.length)
  const { start, contentStart, end } = elements[chosen]!
  const content = random.pick([
    () => new Uint8Array(0),
    () => new Uint8Array(1 + random.integer(300)).fill(random.pick(oddOctets)),
    () => concat(Uint8Array.of(0), bytes.subarray(contentStart, end)),
    () => bytes.subarray(contentStart, end - random.integer(Math.max(1, end - contentStart))),
    () =>
      Uint8Array.from(
        Buffer.from(
          random.pick([
            '20260230000000Z',
            '991231235960Z',
            '500101000000Z',
            '99991231235959Z',
            '2601010000Z',
          ] as const),
        ),
      ),
  ])()
  return replace(bytes, elements, chosen, encode(bytes[start]!, content))
}

const editTag: Mutation = (bytes, random) => {
  const elements = elementsOf(bytes)
  if (elements.length === 0) return bytes
  const out = bytes.slice()
  out[random.pick(elements).start] = random.pick(oddTags)
  return out
}

/** A length that lies: longer, shorter, indefinite, not minimal, enormous. */
const editLength: Mutation = (bytes, random) => {
  const elements = elementsOf(bytes)
  if (elements.length === 0) return bytes
  const { start, contentStart, end } = random.pick(elements)
  const lengths = [
    [0x80],
    [0x81, 0x01],
    [0x82, 0, end - contentStart],
    [0x84, 0x7f, 0xff, 0xff, 0xff],
    [0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    [(end - contentStart + 1) & 0x7f],
    [0xff],
  ]
  return concat(
    bytes.subarray(0, start + 1),
    Uint8Array.from(random.pick(lengths)),
    bytes.subarray(contentStart),
  )
}

const nest: Mutation = (bytes, random) => {
  let out = bytes
  for (let depth = random.integer(200); depth > 0; depth--) out = encode(random.pick([0x30, 0x31, 0xa0]), out)
  return out
}

const mutations: readonly Mutation[] = [
  flipBit,
  flipBit,
  setOctet,
  truncate,
  append,
  editElement,
  editElement,
  editElement,
  editContent,
  editContent,
  editTag,
  editLength,
  nest,
]

/**
 * Every element that can be reached by well-formed lengths, also inside OCTET STRINGs, which extensions are.
 */
function elementsOf(bytes: Uint8Array): Element[] {
  const found: Element[] = []
  const walk = (from: number, to: number, parent: number, depth: number): boolean => {
    let at = from
    while (at < to) {
      const element = header(bytes, at, to)
      if (element === undefined || found.length > 2000) return false
      const self = found.push({ start: at, contentStart: element.contentStart, end: element.end, parent }) - 1
      const tag = bytes[at]!
      if (depth < 40 && ((tag & 0x20) !== 0 || tag === 0x04)) {
        const before = found.length
        if (!walk(element.contentStart, element.end, self, depth + 1) && tag === 0x04) found.length = before
      }
      at = element.end
    }
    return true
  }
  walk(0, bytes.length, -1, 0)
  return found
}

function header(
  bytes: Uint8Array,
  at: number,
  to: number,
): { contentStart: number; end: number } | undefined {
  let length = bytes[at + 1] ?? 0xff
  let contentStart = at + 2
  if (length >= 0x80) {
    const octets = length & 0x7f
    if (octets === 0 || octets > 3) return undefined
    length = 0
    for (let i = 0; i < octets; i++) length = length * 256 + (bytes[contentStart + i] ?? 0)
    contentStart += octets
  }
  return contentStart + length > to ? undefined : { contentStart, end: contentStart + length }
}

/** The input with one element replaced, every length around it made right again. */
function replace(
  bytes: Uint8Array,
  elements: readonly Element[],
  index: number,
  replacement: Uint8Array,
): Uint8Array {
  let { start, end, parent } = elements[index]!
  let current = replacement
  while (parent >= 0) {
    const outer = elements[parent]!
    current = encode(
      bytes[outer.start]!,
      concat(bytes.subarray(outer.contentStart, start), current, bytes.subarray(end, outer.end)),
    )
    ;({ start, end, parent } = outer)
  }
  return concat(bytes.subarray(0, start), current, bytes.subarray(end))
}

function encode(tag: number, content: Uint8Array): Uint8Array {
  const { length } = content
  const octets =
    length < 0x80
      ? [length]
      : length < 0x100
        ? [0x81, length]
        : length < 0x10000
          ? [0x82, length >> 8, length & 0xff]
          : [0x83, length >> 16, (length >> 8) & 0xff, length & 0xff]
  return concat(Uint8Array.of(tag, ...octets), content)
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

const maxLength = 64 * 1024
const oddOctets = [0x00, 0x01, 0x7f, 0x80, 0x81, 0xfe, 0xff, 0x30, 0x2a] as const
const oddTags = [
  0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0a, 0x0c, 0x13, 0x16, 0x17, 0x18, 0x30, 0x31, 0x80, 0x82, 0x86, 0x87,
  0xa0, 0xa1, 0xa3, 0xa4, 0x1f, 0x3f, 0x00,
] as const
const oddCharacters = [
  '\0',
  '\n',
  '\r\n',
  ' ',
  '-',
  '=',
  '==',
  '/',
  '//',
  '..',
  '/../',
  '%2e',
  ':',
  '@',
  '#',
  '?',
  '\u00e9',
  '\ud800',
  '\uffff',
  'A',
  '_',
  '-----',
  '-----BEGIN X-----',
  '-----END ',
] as const
