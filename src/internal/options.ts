// Reads options objects: a misspelt key, or a key whose undefined value would widen access, is an error.

import { PkiError } from '../errors/index.ts'

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
 * class that messages name. Values are not checked beyond undefined.
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
  if (typeof given !== 'object' || given === null || Array.isArray(given) || given instanceof Promise) {
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
    if (value !== undefined) read[key] = value
    else if (kind === 'guard') throw undefinedGuard(caller, key)
  }
  for (const key in kinds) {
    if (kinds[key] === 'required' && read[key] === undefined) {
      throw new PkiError('ERR_INVALID_ARGUMENT', `${caller}: the option ${key} is required`)
    }
  }
  return Object.freeze(read) as Readonly<Options>
}

function undefinedGuard(caller: string, key: string): PkiError {
  return new PkiError(
    'ERR_INVALID_ARGUMENT',
    `${caller}: the option ${key} is present but undefined; omit the key if no value is intended`,
  )
}

/** The kind of a value, for messages. A forgotten `await` is the usual reason for a promise. */
export function nameOf(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (value instanceof Promise) return 'a promise: is an await missing?'
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`
}
