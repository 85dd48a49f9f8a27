// A strict JSON reader and a plain writer for documents from outside (RFC 8259).

import { PkiError } from '../errors/index.ts'
import { requireOctets } from './bytes.ts'

/** A parsed JSON value. Objects have no prototype. */
export type JsonValue = null | boolean | number | bigint | string | readonly JsonValue[] | JsonObject

/** A JSON object: own keys only, no prototype. */
export interface JsonObject {
  readonly [key: string]: JsonValue | undefined
}

/** Limits for one document, and how integers are read. */
export interface JsonOptions {
  /** The longest document, in bytes of UTF-8; default 1 MiB. */
  readonly maxBytes?: number | undefined
  /** The deepest nesting of arrays and objects; default 32. */
  readonly maxDepth?: number | undefined
  /** The maximum number of values (scalars, arrays and objects together); default 100,000. */
  readonly maxValues?: number | undefined
  /** Reads integers outside ±(2^53 - 1) as BigInt instead of rounding them (rule B-2). */
  readonly bigIntegers?: boolean | undefined
}

/**
 * Reads one JSON document.
 *
 * @throws ERR_JSON not JSON, not UTF-8, a duplicate key, or a key that can reach a prototype
 * @throws ERR_LIMIT_EXCEEDED longer, deeper or more values than the limits
 */
export function parseJson(input: string | Uint8Array, options: JsonOptions = {}): JsonValue {
  const maxBytes = options.maxBytes ?? defaultMaxBytes
  if (typeof input !== 'string') requireOctets(input, 'JSON must be a string or octets')
  const size = typeof input === 'string' ? Buffer.byteLength(input) : input.byteLength
  if (!(size <= maxBytes)) throw limitError(`the JSON document has ${size} bytes; the maximum is ${maxBytes}`)
  return new JsonReader(typeof input === 'string' ? input : decodeUtf8(input), options).document()
}

/** Whether a value read by `parseJson` is an object. */
export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Writes JSON, a BigInt as an integer; members that are `undefined` are omitted. `indent` is the number of
 * spaces per level, 0 for one line.
 */
export function formatJson(value: JsonValue, indent = 0, level = 0): string {
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const items: string[] = []
  if (Array.isArray(value)) {
    for (const item of value as readonly JsonValue[]) items.push(formatJson(item, indent, level + 1))
    return wrap('[', items, ']', indent, level)
  }
  for (const [key, member] of Object.entries(value)) {
    if (member === undefined) continue
    items.push(`${JSON.stringify(key)}:${indent > 0 ? ' ' : ''}${formatJson(member, indent, level + 1)}`)
  }
  return wrap('{', items, '}', indent, level)
}

class JsonReader {
  readonly #text: string
  readonly #maxDepth: number
  readonly #maxValues: number
  readonly #bigIntegers: boolean
  /** Whether a string of the text ends at the next quotation mark and needs no check. */
  readonly #plain: boolean
  #valuesLeft: number
  #at = 0

  constructor(text: string, options: JsonOptions) {
    this.#text = text
    this.#plain = !unplain.test(text)
    this.#maxDepth = options.maxDepth ?? defaultMaxDepth
    this.#maxValues = options.maxValues ?? defaultMaxValues
    this.#valuesLeft = this.#maxValues
    this.#bigIntegers = options.bigIntegers ?? false
  }

  document(): JsonValue {
    if (this.#text.startsWith('\uFEFF'))
      throw this.#error('a byte order mark, which JSON must not have (RFC 8259 8.1)')
    const value = this.#value(0)
    this.#space()
    if (this.#at < this.#text.length) throw this.#error('text after the end of the document')
    return value
  }

  #value(depth: number): JsonValue {
    if (this.#valuesLeft-- <= 0) throw limitError(`the document has more than ${this.#maxValues} values`)
    this.#space()
    switch (this.#text.charCodeAt(this.#at)) {
      case brace:
        return this.#object(depth + 1)
      case bracket:
        return this.#array(depth + 1)
      case quote:
        return this.#string()
      case 0x74:
        return this.#word('true', true)
      case 0x66:
        return this.#word('false', false)
      case 0x6e:
        return this.#word('null', null)
      default:
        return this.#number()
    }
  }

  #object(depth: number): JsonObject {
    this.#enter(depth)
    const members = Object.create(null) as Record<string, JsonValue>
    if (this.#closes(braceEnd)) return members
    do {
      this.#space()
      if (this.#text.charCodeAt(this.#at) !== quote) throw this.#error('expected a key in double quotes')
      const key = this.#string()
      // Faster than `in`: no value is undefined, and nothing is inherited.
      if (members[key] !== undefined) throw this.#error('duplicate key in one object')
      this.#expect(colon)
      const value = this.#value(depth)
      // Objects here have no prototype, but code that copies or merges them into
      // other objects would be affected.
      if (key === '__proto__') throw this.#error('the key __proto__ is not allowed')
      if (key === 'constructor' && isJsonObject(value) && 'prototype' in value) {
        throw this.#error('the key constructor is not allowed with an object that has the key prototype')
      }
      members[key] = value
    } while (this.#continues(braceEnd))
    return members
  }

  #array(depth: number): readonly JsonValue[] {
    this.#enter(depth)
    const items: JsonValue[] = []
    if (this.#closes(bracketEnd)) return items
    do items.push(this.#value(depth))
    while (this.#continues(bracketEnd))
    return items
  }

  #string(): string {
    const text = this.#text
    let out = ''
    let start = ++this.#at
    if (this.#plain) {
      const end = text.indexOf('"', start)
      if (end < 0) throw this.#error('unterminated string')
      this.#at = end + 1
      return text.slice(start, end)
    }
    for (;;) {
      const unit = text.charCodeAt(this.#at)
      if (unit === quote) break
      // At the end of the text the code is NaN, for which every comparison is false.
      if (!(unit >= 0x20)) throw this.#error('unterminated string, or a control character in it')
      if (unit === backslash) {
        out += text.slice(start, this.#at) + this.#escape()
        start = this.#at
      } else {
        this.#at++
      }
    }
    out += text.slice(start, this.#at++)
    if (loneSurrogate.test(out)) throw this.#error('a lone surrogate in a string')
    return out
  }

  #escape(): string {
    const letter = this.#text.charAt(this.#at + 1)
    if (letter === 'u') {
      const digits = this.#text.slice(this.#at + 2, this.#at + 6)
      if (!/^[0-9a-fA-F]{4}$/.test(digits))
        throw this.#error('\\u is not followed by four hexadecimal digits')
      this.#at += 6
      return String.fromCharCode(Number.parseInt(digits, 16))
    }
    const plain = escapes.get(letter)
    if (plain === undefined) throw this.#error('an unknown escape in a string')
    this.#at += 2
    return plain
  }

  #number(): number | bigint {
    numberPattern.lastIndex = this.#at
    const literal = numberPattern.exec(this.#text)?.[0]
    if (literal === undefined) throw this.#error('expected a value')
    // Converting digits to BigInt takes more than linear time.
    if (literal.length > maxNumberLength) throw limitError(`a number has ${literal.length} characters`)
    const value = Number(literal)
    if (!Number.isFinite(value)) throw this.#error('a number is outside the range of IEEE 754 double')
    this.#at += literal.length
    const exact = Number.isSafeInteger(value) || !this.#bigIntegers || !integerPattern.test(literal)
    return exact ? value : BigInt(literal)
  }

  #word<T extends boolean | null>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw this.#error('expected a value')
    this.#at += word.length
    return value
  }

  #enter(depth: number): void {
    if (depth > this.#maxDepth) throw limitError(`JSON nested deeper than ${this.#maxDepth}`)
    this.#at++
  }

  /** Whether the array or object that was just opened is empty; moves past its end if so. */
  #closes(end: number): boolean {
    this.#space()
    if (this.#text.charCodeAt(this.#at) !== end) return false
    this.#at++
    return true
  }

  /** Moves past a comma (true) or the closing bracket (false). */
  #continues(end: number): boolean {
    if (this.#closes(end)) return false
    this.#expect(comma)
    return true
  }

  #expect(wanted: number): void {
    this.#space()
    if (this.#text.charCodeAt(this.#at) !== wanted)
      throw this.#error(`expected ${String.fromCharCode(wanted)}`)
    this.#at++
  }

  #space(): void {
    let unit = this.#text.charCodeAt(this.#at)
    while (unit === 0x20 || unit === 0x0a || unit === 0x0d || unit === 0x09)
      unit = this.#text.charCodeAt(++this.#at)
  }

  /** The message gives the offset and never the text: documents may contain tokens. */
  #error(reason: string): PkiError<'ERR_JSON'> {
    return new PkiError('ERR_JSON', `not strict JSON at offset ${this.#at}: ${reason}`)
  }
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch (cause) {
    throw new PkiError('ERR_JSON', 'not strict JSON: the bytes are not UTF-8', { cause })
  }
}

function wrap(open: string, items: readonly string[], close: string, indent: number, level: number): string {
  if (indent === 0 || items.length === 0) return open + items.join(',') + close
  const inner = `\n${' '.repeat(indent * (level + 1))}`
  return open + inner + items.join(`,${inner}`) + `\n${' '.repeat(indent * level)}` + close
}

function limitError(reason: string): PkiError<'ERR_LIMIT_EXCEEDED'> {
  return new PkiError('ERR_LIMIT_EXCEEDED', `JSON: ${reason}`)
}

// `ignoreBOM` keeps a byte order mark in the text, so that the reader refuses it (RFC 8259 section 8.1).
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const defaultMaxBytes = 1024 * 1024
const defaultMaxDepth = 32
const defaultMaxValues = 100_000
const maxNumberLength = 256
const [quote, comma, colon, backslash, bracket, bracketEnd, brace, braceEnd] = [
  0x22, 0x2c, 0x3a, 0x5c, 0x5b, 0x5d, 0x7b, 0x7d,
]
/** In a pattern with the flag `u`, a surrogate pair is one character of another category. */
const loneSurrogate = /\p{Cs}/u
const unplain = /[\\\p{Cs}\u0000-\u001f]/u
const integerPattern = /^-?[0-9]+$/
const numberPattern = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const escapes: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ['\\', '\\'],
  ['/', '/'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
])
