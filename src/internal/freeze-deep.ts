// Freezes returned values: a caller that changed a shared value would change the result of later callers.

/**
 * The value, with every array and plain object in it frozen; octets, dates and objects of classes stay as
 * they are.
 */
export function freezeDeep<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) for (const part of value) freezeDeep(part)
  else if (Object.getPrototypeOf(value) !== Object.prototype) return value
  // `for … in` takes less than half the time of `Object.values`.
  else for (const name in value) freezeDeep(value[name])
  return Object.freeze(value)
}
