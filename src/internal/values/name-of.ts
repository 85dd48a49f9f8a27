// Names the kind of a value in messages.

/** The kind of a value, for messages. A missing `await` is the usual reason for a promise. */
export function nameOf(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (value instanceof Promise) return 'a promise: is an await missing?'
  if (Array.isArray(value)) return 'an array'
  const tag = Object.prototype.toString.call(value).slice('[object '.length, -1)
  const word = typeof value === 'object' && tag !== 'Object' ? tag : typeof value
  return /^[aeio]/i.test(word) ? `an ${word}` : `a ${word}`
}
