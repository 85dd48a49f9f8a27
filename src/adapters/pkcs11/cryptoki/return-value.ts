// The table of return values (CKR_…): their meaning for callers and for recovery.

import { PkiError, isPkiError } from '../../../errors/index.ts'
import type { PkiErrorCode } from '../../../errors/index.ts'
import { calledFunction } from './named-calls.ts'
import { nextSteps } from './next-steps.ts'

/**
 * The recovery after a return value: `session` open a new session · `device` connect
 * the token or module again · `pin` no further login without a new PIN · `limit` no
 * free session · `request` the token works and refuses the operation.
 */
export type FailureClass = 'session' | 'device' | 'pin' | 'limit' | 'request'

/** A failure that the token or its module reported. */
export class HsmError extends PkiError {
  /** The name of the return value, `CKR_DEVICE_ERROR`; hexadecimal if it is not in the standard. */
  readonly returnValue: string
  /** The recovery class: session, device, PIN, limit or request. */
  readonly failureClass: FailureClass

  constructor(
    code: PkiErrorCode,
    message: string,
    returnValue: string,
    failureClass: FailureClass,
    cause?: unknown,
  ) {
    super(code, message, { cause })
    this.returnValue = returnValue
    this.failureClass = failureClass
  }
}

/** The return value in an error of `pkcs11js`; undefined for another error. */
export function returnValueOf(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined
  // C_FindObjects and some others throw a plain Error with the text "CKR_X:145" (followed by a native stack).
  const text = /CKR_\w+:(\d+)/.exec(error.message)
  if (text !== null) return Number(text[1])
  const { code } = error as { code?: unknown }
  return error.name === 'Pkcs11Error' && typeof code === 'number' ? code : undefined
}

/**
 * Wraps an error of a Cryptoki call. `step` names the step, without secrets, where the function is not known.
 */
export function hsmError(error: unknown, step: string): PkiError {
  if (isPkiError(error)) return error
  const doing = calledFunction(error) ?? step
  const value = returnValueOf(error)
  // For example a TypeError of the binding: it is caused by our arguments, not by the token.
  if (value === undefined)
    return new HsmError(
      'ERR_HSM_REFUSED',
      `${doing} failed inside the PKCS#11 binding`,
      'none',
      'request',
      error,
    )
  const row = returnValues.get(value)
  // An unknown or vendor-defined value: the state of the session is unknown too, so it is not used again.
  const [name, failureClass] = row ?? [`0x${value.toString(16)}`, 'session' as const]
  const next = nextSteps[name]
  return new HsmError(
    codeOf[failureClass],
    `${doing} failed: the token returned ${name}${next === undefined ? '' : ` (${next})`}`,
    name,
    failureClass,
    error,
  )
}

/** Names the token, and the key, in the message of a failure that does not name the token yet. */
export function inToken(failure: PkiError, label: string, key?: string): PkiError {
  const token = `token ${JSON.stringify(label)}`
  if (label === '' || unnamed.has(failure.code) || failure.message.includes(token)) return failure
  const { code, cause = failure } = failure
  const message = `${token}${key === undefined ? '' : `, key ${JSON.stringify(key)}`}: ${failure.message}`
  if (failure instanceof HsmError)
    return new HsmError(code, message, failure.returnValue, failure.failureClass, cause)
  // An error of another class is of a function of the caller.
  return failure.constructor === PkiError ? new PkiError(code, message, { cause }) : failure
}

/** Failures that are not of a token. */
const unnamed: ReadonlySet<string> = new Set(['ERR_ABORTED', 'ERR_CLOSED', 'ERR_INTERNAL'])

/** A device failure detected by a check, not by a return value. */
export function deviceLost(what: string): HsmError {
  return new HsmError('ERR_HSM_UNAVAILABLE', what, 'none', 'device')
}

const codeOf: Readonly<Record<FailureClass, PkiErrorCode>> = {
  session: 'ERR_HSM_UNAVAILABLE',
  device: 'ERR_HSM_UNAVAILABLE',
  pin: 'ERR_HSM_PIN',
  limit: 'ERR_HSM_SESSION_LIMIT',
  request: 'ERR_HSM_REFUSED',
}

/** Return values that the code compares with, by name. */
export const ckr = {
  ATTRIBUTE_SENSITIVE: 0x11,
  ATTRIBUTE_TYPE_INVALID: 0x12,
  OBJECT_HANDLE_INVALID: 0x82,
  USER_ALREADY_LOGGED_IN: 0x100,
  CRYPTOKI_NOT_INITIALIZED: 0x190,
  CRYPTOKI_ALREADY_INITIALIZED: 0x191,
} as const

const returnValues: ReadonlyMap<number, readonly [name: string, failureClass: FailureClass]> = new Map([
  [0x02, ['CKR_HOST_MEMORY', 'device']],
  [0x03, ['CKR_SLOT_ID_INVALID', 'device']],
  [0x05, ['CKR_GENERAL_ERROR', 'device']],
  [0x06, ['CKR_FUNCTION_FAILED', 'session']],
  [0x07, ['CKR_ARGUMENTS_BAD', 'request']],
  [0x09, ['CKR_NEED_TO_CREATE_THREADS', 'request']],
  [0x0a, ['CKR_CANT_LOCK', 'device']],
  [0x10, ['CKR_ATTRIBUTE_READ_ONLY', 'request']],
  [0x11, ['CKR_ATTRIBUTE_SENSITIVE', 'request']],
  [0x12, ['CKR_ATTRIBUTE_TYPE_INVALID', 'request']],
  [0x13, ['CKR_ATTRIBUTE_VALUE_INVALID', 'request']],
  [0x1b, ['CKR_ACTION_PROHIBITED', 'request']],
  [0x20, ['CKR_DATA_INVALID', 'request']],
  [0x21, ['CKR_DATA_LEN_RANGE', 'request']],
  [0x30, ['CKR_DEVICE_ERROR', 'device']],
  [0x31, ['CKR_DEVICE_MEMORY', 'request']],
  [0x32, ['CKR_DEVICE_REMOVED', 'device']],
  [0x50, ['CKR_FUNCTION_CANCELED', 'session']],
  [0x51, ['CKR_FUNCTION_NOT_PARALLEL', 'request']],
  [0x54, ['CKR_FUNCTION_NOT_SUPPORTED', 'request']],
  [0x60, ['CKR_KEY_HANDLE_INVALID', 'session']],
  [0x62, ['CKR_KEY_SIZE_RANGE', 'request']],
  [0x63, ['CKR_KEY_TYPE_INCONSISTENT', 'request']],
  [0x65, ['CKR_KEY_CHANGED', 'request']],
  [0x68, ['CKR_KEY_FUNCTION_NOT_PERMITTED', 'request']],
  [0x6a, ['CKR_KEY_UNEXTRACTABLE', 'request']],
  [0x70, ['CKR_MECHANISM_INVALID', 'request']],
  [0x71, ['CKR_MECHANISM_PARAM_INVALID', 'request']],
  [0x82, ['CKR_OBJECT_HANDLE_INVALID', 'session']],
  [0x90, ['CKR_OPERATION_ACTIVE', 'session']],
  [0x91, ['CKR_OPERATION_NOT_INITIALIZED', 'session']],
  [0xa0, ['CKR_PIN_INCORRECT', 'pin']],
  [0xa1, ['CKR_PIN_INVALID', 'pin']],
  [0xa2, ['CKR_PIN_LEN_RANGE', 'pin']],
  [0xa3, ['CKR_PIN_EXPIRED', 'pin']],
  [0xa4, ['CKR_PIN_LOCKED', 'pin']],
  [0xb0, ['CKR_SESSION_CLOSED', 'session']],
  [0xb1, ['CKR_SESSION_COUNT', 'limit']],
  [0xb3, ['CKR_SESSION_HANDLE_INVALID', 'session']],
  [0xb4, ['CKR_SESSION_PARALLEL_NOT_SUPPORTED', 'request']],
  [0xb5, ['CKR_SESSION_READ_ONLY', 'request']],
  [0xb6, ['CKR_SESSION_EXISTS', 'request']],
  [0xb7, ['CKR_SESSION_READ_ONLY_EXISTS', 'request']],
  [0xb8, ['CKR_SESSION_READ_WRITE_SO_EXISTS', 'request']],
  [0xd0, ['CKR_TEMPLATE_INCOMPLETE', 'request']],
  [0xd1, ['CKR_TEMPLATE_INCONSISTENT', 'request']],
  [0xe0, ['CKR_TOKEN_NOT_PRESENT', 'device']],
  [0xe1, ['CKR_TOKEN_NOT_RECOGNIZED', 'device']],
  [0xe2, ['CKR_TOKEN_WRITE_PROTECTED', 'request']],
  [0x100, ['CKR_USER_ALREADY_LOGGED_IN', 'session']],
  [0x101, ['CKR_USER_NOT_LOGGED_IN', 'session']],
  [0x102, ['CKR_USER_PIN_NOT_INITIALIZED', 'pin']],
  [0x103, ['CKR_USER_TYPE_INVALID', 'request']],
  [0x104, ['CKR_USER_ANOTHER_ALREADY_LOGGED_IN', 'request']],
  [0x105, ['CKR_USER_TOO_MANY_TYPES', 'request']],
  [0x121, ['CKR_RANDOM_NO_RNG', 'device']],
  [0x130, ['CKR_DOMAIN_PARAMS_INVALID', 'request']],
  [0x140, ['CKR_CURVE_NOT_SUPPORTED', 'request']],
  [0x150, ['CKR_BUFFER_TOO_SMALL', 'session']],
  [0x190, ['CKR_CRYPTOKI_NOT_INITIALIZED', 'device']],
  [0x191, ['CKR_CRYPTOKI_ALREADY_INITIALIZED', 'request']],
  [0x1a0, ['CKR_MUTEX_BAD', 'device']],
  [0x1a1, ['CKR_MUTEX_NOT_LOCKED', 'device']],
  [0x1b6, ['CKR_FIPS_SELF_TEST_FAILED', 'device']],
  [0x1b7, ['CKR_LIBRARY_LOAD_FAILED', 'device']],
  [0x1b8, ['CKR_PIN_TOO_WEAK', 'pin']],
  [0x1b9, ['CKR_PUBLIC_KEY_INVALID', 'request']],
  [0x200, ['CKR_FUNCTION_REJECTED', 'request']],
  [0x201, ['CKR_TOKEN_RESOURCE_EXCEEDED', 'request']],
  [0x203, ['CKR_KEY_EXHAUSTED', 'request']],
])
