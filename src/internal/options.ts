// Reads options objects: a misspelt key, or a key whose undefined value would widen access, is an error.

import { PkiError } from '../errors/index.ts'
import { CheckedClock } from './values/checked-clock.ts'
import { nameOf } from './values/name-of.ts'

export { nameOf }

/**
 * How a key of an options object is read.
 *
 * - `required`: must be present and not undefined.
 * - `optional`: undefined means the default.
 * - `guard`: may be absent, but undefined is refused, because the default is more permissive than what the
 *   caller meant (`verify(chain, { id: config.peerId })` with a misspelt `peerId`).
 */
type OptionKind = 'required' | 'optional' | 'guard'

/** Every key of an options type with its kind; the compiler checks that none is missing. */
export type OptionKinds<Options extends object> = {
  readonly [Key in keyof Required<Options>]: undefined extends Required<Options>[Key]
    ? 'optional'
    : undefined extends Options[Key]
      ? 'optional' | 'guard'
      : OptionKind
}

/**
 * A frozen shallow copy of `options` with the keys of `kinds`, each read once;
 * inherited enumerable keys count as given. `caller` is the public function or
 * class that messages name. Values are not checked beyond undefined, except a clock and a signal.
 *
 * @throws ERR_INVALID_ARGUMENT not an object; an unknown key; a `guard` key
 *   that is undefined; a `required` key that is missing
 */
export function readOptions<Options extends object>(
  caller: string,
  options: Options | undefined,
  kinds: OptionKinds<Options>,
): Readonly<Options> {
  const given: unknown = options === undefined ? {} : options
  if (typeof given !== 'object' || given === null || isOfAnotherKind(given)) {
    throw new PkiError('ERR_INVALID_ARGUMENT', `${caller}: options must be an object, found ${nameOf(given)}`)
  }
  const read: Record<string, unknown> = {}
  for (const key in given) {
    const kind = Object.hasOwn(kinds, key) ? kinds[key as keyof Options] : undefined
    if (kind === undefined) {
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `${caller} has no option ${JSON.stringify(key.slice(0, 64))}; its options are ` +
          Object.keys(kinds).join(', '),
      )
    }
    const value = (given as Record<string, unknown>)[key]
    if (value !== undefined) read[key] = checked(caller, key, value)
    else if (kind === 'guard') throw undefinedGuard(caller, key)
  }
  if (Object.getPrototypeOf(given) !== Object.prototype) readAccessors(caller, given, kinds, read)
  for (const key in kinds) {
    if (kinds[key] === 'required' && read[key] === undefined) {
      throw new PkiError('ERR_INVALID_ARGUMENT', `${caller}: the option ${key} is required`)
    }
  }
  return Object.freeze(read) as Readonly<Options>
}

/**
 * Values of the platform that have no enumerable keys: each option would be absent, and the defaults would
 * apply without a message.
 */
function isOfAnotherKind(given: object): boolean {
  if (Object.getPrototypeOf(given) === Object.prototype) return false
  return Array.isArray(given) || ArrayBuffer.isView(given) || otherKinds.some((kind) => given instanceof kind)
}

const otherKinds = [Promise, Map, Set, WeakMap, WeakSet, Date, RegExp, Error, ArrayBuffer, SharedArrayBuffer]

/** An AbortSignal, or undefined. @throws ERR_INVALID_ARGUMENT */
export function requireSignal(caller: string, signal: unknown): void {
  if (signal === undefined || signal instanceof AbortSignal) return
  const hint = signal instanceof AbortController ? ': is its signal meant?' : ''
  throw new PkiError(
    'ERR_INVALID_ARGUMENT',
    `${caller}: signal must be an AbortSignal, found ${nameOf(signal)}${hint}`,
  )
}

/** Reads what enumeration does not show: accessors of a class, and inherited ones that are not enumerable. */
function readAccessors(
  caller: string,
  given: object,
  kinds: Readonly<Record<string, string>>,
  read: Record<string, unknown>,
): void {
  for (const key in kinds) {
    if (Object.hasOwn(read, key) || !(key in given)) continue
    const value = (given as Record<string, unknown>)[key]
    if (value !== undefined) read[key] = checked(caller, key, value)
    else if (kinds[key] === 'guard') throw undefinedGuard(caller, key)
  }
}

/**
 * The value of an option. A `clock` and a `signal` have the same form in every function, and are used where
 * no code catches a TypeError. Each value that a clock returns is checked. @throws ERR_INVALID_ARGUMENT
 */
function checked(caller: string, key: string, value: unknown): unknown {
  if (key === 'clock') return CheckedClock.of(value, caller)
  if (key === 'signal') requireSignal(caller, value)
  return value
}

function undefinedGuard(caller: string, key: string): PkiError {
  return new PkiError(
    'ERR_INVALID_ARGUMENT',
    `${caller}: the option ${key} is present but undefined; omit the key if no value is intended`,
  )
}

/** An iterable of objects; text and octets are iterable too, but never meant. @throws ERR_INVALID_ARGUMENT */
export function requireIterable<T>(what: string, list: Iterable<T>): Iterable<T> {
  const isList =
    typeof list === 'object' &&
    !ArrayBuffer.isView(list) &&
    typeof (Object(list) as Partial<Iterable<T>>)[Symbol.iterator] === 'function'
  if (isList) return list
  throw new PkiError(
    'ERR_INVALID_ARGUMENT',
    `${what}: expected an array or another iterable, found ${nameOf(list)}`,
  )
}
