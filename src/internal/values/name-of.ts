// Names the kind of a value in messages.

import { printable } from './outside-text.ts'

/** The kind of a value, for messages. A missing `await` is the usual reason for a promise. */
export function nameOf(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (value instanceof Promise) return 'a promise: is an await missing?'
  if (value === '') return 'an empty text'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty array' : 'an array'
  const tag = Object.prototype.toString.call(value).slice('[object '.length, -1)
  if (tag === 'Date' && value instanceof Date && Number.isNaN(Number(value))) return 'an invalid Date'
  const word = typeof value === 'object' && tag !== 'Object' ? tag : typeof value
  return /^[aeio]/i.test(word) ? `an ${word}` : `a ${word}`
}

/** A text, quoted and cut, or a number; the kind of any other value. For values that are never secret. */
export function shownValue(value: unknown): string {
  if (typeof value === 'string' && value !== '') return printable(JSON.stringify(value.slice(0, 64)))
  return typeof value === 'number' || typeof value === 'bigint' ? String(value) : nameOf(value)
}
