// Checks the types of options that are used later, in a callback or a handshake, where a TypeError would not
// be caught, or would end a request.

import { PkiError } from '../errors/index.ts'
import { nameOf } from './options.ts'

type Given = Readonly<Record<string, unknown>>

/** Each given option must be a function. @throws ERR_INVALID_ARGUMENT */
export function checkFunctions(caller: string, given: Given): void {
  check(caller, given, 'a function', (value) => typeof value === 'function')
}

/**
 * Each given option must be a text that is not empty: an unset variable of the environment is often an empty
 * text, and an empty host means every address. @throws ERR_INVALID_ARGUMENT
 */
export function checkTexts(caller: string, given: Given): void {
  check(caller, given, 'a text that is not empty', isText)
}

/** Each given option must be an array of texts that are not empty. @throws ERR_INVALID_ARGUMENT */
export function checkTextLists(caller: string, given: Given): void {
  check(caller, given, 'an array of texts', (value) => Array.isArray(value) && value.every(isText))
}

/** Each given option must be true or false: a text such as "false" is truthy. @throws ERR_INVALID_ARGUMENT */
export function checkFlags(caller: string, given: Given): void {
  check(caller, given, 'true or false', (value) => typeof value === 'boolean')
}

/**
 * Each given option must be an object with these methods, which may be a Proxy of the caller; without
 * methods, a plain object. @throws ERR_INVALID_ARGUMENT
 */
export function checkMethods(caller: string, given: Given, ...methods: readonly string[]): void {
  const expected = methods.length === 0 ? 'an object' : `an object with ${methods.join(', ')}`
  check(caller, given, expected, (value) =>
    methods.length === 0
      ? Object.prototype.toString.call(value) === '[object Object]'
      : !Array.isArray(value) &&
        methods.every((name) => typeof (Object(value) as Given)[name] === 'function'),
  )
}

/** A required object with these methods. @throws ERR_INVALID_ARGUMENT */
export function requireMethods(
  caller: string,
  name: string,
  value: unknown,
  ...methods: readonly string[]
): void {
  // undefined is refused as null is: only options may be absent.
  checkMethods(caller, { [name]: value ?? null }, ...methods)
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}

function check(caller: string, given: Given, expected: string, isOne: (value: unknown) => boolean): void {
  for (const [name, value] of Object.entries(given))
    if (value !== undefined && !isOne(value)) {
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `${caller}: ${name} must be ${expected}, found ${nameOf(value)}`,
      )
    }
}
