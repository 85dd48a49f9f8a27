// A strict, bounded cursor over DER: X.690 sections 8.1 and 10.1. It slices, it never copies.

import { PkiError } from '../errors/index.ts'

/**
 * Reads one element after the other between two offsets of a byte array.
 *
 * Definite, minimal lengths and single-octet tags only. `next` leaves the place of the element in `start`,
 * `contentStart` and `contentEnd`; nothing is decoded before it is asked for.
 *
 * @example
 * ```ts
 * const list = new DerReader(sequence(integer(1), integer(2))).expect(tags.sequence, 'list').inner()
 * while (!list.done) console.log(list.expect(tags.integer, 'number').content())
 * ```
 */
export class DerReader {
  /** The bytes that are read, whole. */
  readonly bytes: Uint8Array
  /** Where reading ends. */
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
   * Reads the next element of any type and returns its tag.
   *
   * @throws ERR_DER where the element is cut off, or its length is indefinite or not minimal.
   */
  next(): number {
    const { bytes, end } = this
    let at = this.offset
    if (at + 2 > end)
      throw new PkiError('ERR_DER', `an element is missing or cut off at offset ${String(at)}`)
    this.start = at
    const tag = bytes[at] as number
    if ((tag & 0x1f) === 0x1f)
      throw new PkiError('ERR_DER', `a tag of several octets at offset ${String(at)}; X.509 has none`)
    if (tag === 0)
      throw new PkiError('ERR_DER', `tag 0 (end of contents, X.690 8.1.5) at offset ${String(at)}`)
    let length = bytes[at + 1] as number
    at += 2
    if (length >= 0x80) {
      const octets = length & 0x7f
      if (octets === 0)
        throw new PkiError('ERR_DER', `an indefinite length at offset ${String(at - 1)} (X.690 10.1)`)
      if (octets > 4 || at + octets > end)
        throw new PkiError('ERR_DER', `a length beyond the input at offset ${String(at - 1)}`)
      length = 0
      for (let i = 0; i < octets; i++) length = length * 256 + (bytes[at + i] as number)
      // X.690 10.1: the fewest octets that hold the length.
      if (length < 0x80 || (octets > 1 && bytes[at] === 0)) {
        throw new PkiError('ERR_DER', `a length that is not minimal at offset ${String(at - 1)} (X.690 10.1)`)
      }
      at += octets
    }
    if (length > end - at)
      throw new PkiError(
        'ERR_DER',
        `an element of ${String(length)} octets where ${String(end - at)} are left, at offset ${String(this.start)}`,
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
    const found = this.next()
    if (found !== tag)
      throw new PkiError(
        'ERR_DER',
        `${what}: tag 0x${found.toString(16)} where 0x${tag.toString(16)} is wanted, at offset ${String(this.start)}`,
      )
    return this
  }

  /** Reads the next element if it has this tag; otherwise stays where it is and returns false. */
  optional(tag: number): boolean {
    if (this.peek() !== tag) return false
    this.next()
    return true
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
   * Refuses what follows the last element that belongs here.
   *
   * @throws ERR_DER
   */
  finish(what: string): void {
    if (this.offset !== this.end)
      throw new PkiError(
        'ERR_DER',
        `${what}: ${String(this.end - this.offset)} octets too many at offset ${String(this.offset)}`,
      )
  }
}

/**
 * A reader over the content of the single element that `bytes` must be.
 *
 * @throws ERR_DER on another tag or trailing octets.
 */
export function readWhole(bytes: Uint8Array, tag: number, what: string): DerReader {
  const outer = new DerReader(bytes)
  outer.expect(tag, what).finish(what)
  return outer.inner()
}
