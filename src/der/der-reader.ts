// A strict, bounded cursor over DER (X.690 sections 8.1 and 10.1), which returns views and never copies.

import { PkiError } from '../errors/index.ts'

/**
 * Reads one element after the other between two offsets of a byte array.
 *
 * Definite, minimal lengths and single-octet tags only. `next` sets `start`, `contentStart` and `contentEnd`
 * to the offsets of the element; it does not decode the content.
 */
export class DerReader {
  /** All bytes of the input. */
  readonly bytes: Uint8Array
  /** The offset at which reading ends. */
  readonly end: number
  /** Where the next element begins. */
  offset: number
  /** The tag octet of the element read last. */
  tag: number
  /** Where the element read last begins (its tag). */
  start: number
  /** Where the content of the element read last begins. */
  contentStart: number
  /** Where the element read last ends. */
  contentEnd: number

  constructor(bytes: Uint8Array, offset = 0, end: number = bytes.length) {
    this.bytes = bytes
    this.end = end
    this.offset = offset
    this.tag = 0
    this.start = offset
    this.contentStart = offset
    this.contentEnd = offset
  }

  /** Whether everything was read. */
  get done(): boolean {
    return this.offset >= this.end
  }

  /** The tag of the next element, or -1 at the end. */
  peek(): number {
    return this.offset < this.end ? (this.bytes[this.offset] as number) : -1
  }

  /**
   * Reads the next element of any type and returns its tag; `what` names it in errors.
   *
   * @throws ERR_DER if the element is truncated, or its length is indefinite or not minimal.
   */
  next(what = 'an element'): number {
    const { bytes, end } = this
    let at = this.offset
    if (at + 2 > end) throw absent(what, at, end)
    this.start = at
    const tag = bytes[at] as number
    if ((tag & 0x1f) === 0x1f || tag === 0) throw wrongTag(what, tag, at)
    let length = bytes[at + 1] as number
    at += 2
    if (length >= 0x80) {
      const octets = length & 0x7f
      length = longLength(bytes, at, end, what)
      at += octets
    }
    if (length > end - at)
      throw new PkiError(
        'ERR_DER',
        `${what}: the element at offset ${this.start} has a length of ${length} octets; ${end - at} ` +
          'octets are left',
      )
    this.tag = tag
    this.contentStart = at
    this.contentEnd = at + length
    this.offset = at + length
    return tag
  }

  /**
   * Reads the next element, which must have this tag.
   *
   * @throws ERR_DER
   */
  expect(tag: number, what: string): this {
    const found = this.next(what)
    if (found !== tag)
      throw new PkiError(
        'ERR_DER',
        `${what}: found tag 0x${found.toString(16)}, expected 0x${tag.toString(16)}, at offset ${this.start}`,
      )
    return this
  }

  /**
   * Reads the next element if it has this tag; otherwise leaves the offset unchanged and returns false.
   *
   * @throws ERR_DER
   */
  optional(tag: number, what: string): boolean {
    if (this.peek() !== tag) return false
    this.next(what)
    return true
  }

  /**
   * Reads the header of the next element, which must have this tag. The same reader then reads its content,
   * so that no second reader is needed. Returns where the element ends, for `leave`.
   *
   * @throws ERR_DER
   */
  enter(tag: number, what: string): number {
    const { contentStart, contentEnd } = this.expect(tag, what)
    this.offset = contentStart
    return contentEnd
  }

  /**
   * Checks that reading has stopped exactly at the end of an element that was entered.
   *
   * @throws ERR_DER
   */
  leave(end: number, what: string): void {
    if (this.offset !== end)
      throw new PkiError(
        'ERR_DER',
        `${what}: its last element ends at offset ${this.offset}; expected the end at ${end}`,
      )
  }

  /** A reader over the content of the element read last. */
  inner(): DerReader {
    return new DerReader(this.bytes, this.contentStart, this.contentEnd)
  }

  /** The content octets of the element read last; a view. */
  content(): Uint8Array {
    return this.bytes.subarray(this.contentStart, this.contentEnd)
  }

  /** The element read last with its tag and length; a view. */
  element(): Uint8Array {
    return this.bytes.subarray(this.start, this.contentEnd)
  }

  /**
   * Refuses octets after the last expected element.
   *
   * @throws ERR_DER
   */
  finish(what: string): void {
    if (this.offset !== this.end)
      throw new PkiError(
        'ERR_DER',
        `${what}: ${this.end - this.offset} unexpected octets at offset ${this.offset}, after the last ` +
          'element',
      )
  }
}

/**
 * Octets, or a reader positioned before them, which allows part of a longer array to be read without a view
 * of that part.
 */
export type DerInput = Uint8Array | DerReader

/** A reader over the input. */
export function readerOf(input: DerInput): DerReader {
  return input instanceof DerReader ? input : new DerReader(input)
}

/**
 * A reader over the content of the input, which must be exactly one element with this tag.
 *
 * @throws ERR_DER on another tag or trailing octets.
 */
export function readWhole(input: DerInput, tag: number, what: string): DerReader {
  const outer = readerOf(input)
  outer.expect(tag, what).finish(what)
  return outer.inner()
}

/**
 * Reads a long-form length that begins at `at`: definite, within the input,
 * in the fewest octets (X.690 10.1).
 */
function longLength(bytes: Uint8Array, at: number, end: number, what: string): number {
  const octets = (bytes[at - 1] as number) & 0x7f
  if (octets === 0)
    throw new PkiError('ERR_DER', `${what}: an indefinite length at offset ${at - 1} (X.690 10.1)`)
  if (octets > 4 || at + octets > end)
    throw new PkiError('ERR_DER', `${what}: a length beyond the input at offset ${at - 1}`)
  let length = 0
  for (let i = 0; i < octets; i++) length = length * 256 + (bytes[at + i] as number)
  if (length < 0x80 || (octets > 1 && bytes[at] === 0))
    throw new PkiError('ERR_DER', `${what}: a length that is not minimal at offset ${at - 1} (X.690 10.1)`)
  return length
}

function absent(what: string, at: number, end: number): PkiError {
  return new PkiError('ERR_DER', `${what}: ${at >= end ? 'missing' : 'cut off'} at offset ${at}`)
}

function wrongTag(what: string, tag: number, at: number): PkiError {
  const found =
    tag === 0 ? 'tag 0 (end of contents, X.690 8.1.5)' : 'a tag of several octets, which X.509 does not use,'
  return new PkiError('ERR_DER', `${what}: ${found} at offset ${at}`)
}
