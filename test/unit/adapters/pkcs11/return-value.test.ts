// What a return value means: the table against the numbers of the binding, and the answer to each.

import { createRequire } from 'node:module'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { HsmError, hsmError, returnValueOf } from '../../../../src/adapters/pkcs11/cryptoki/return-value.ts'
import type { FailureClass } from '../../../../src/adapters/pkcs11/cryptoki/return-value.ts'
import { PkiError } from '../../../../src/errors/index.ts'
import { CkrError } from '../../../support/fake-token.ts'
import { requires } from '../../../support/requires.ts'

const failure = (code: number): Partial<HsmError> => hsmError(new CkrError(code), 'the call')

/**
 * Of keys that are wrapped, passwords that are used once and states that are saved: nothing here calls what
 * answers so.
 */
const neverAsked = new RegExp(
  '^CKR_(?:' +
    [
      'OK',
      'CANCEL',
      'NO_EVENT',
      'ENCRYPTED_',
      'KEY_NOT_NEEDED',
      'KEY_NEEDED',
      'KEY_INDIGESTIBLE',
      'KEY_NOT_WRAPPABLE',
      'SIGNATURE_',
      'UNWRAPPING_',
      'WRAPPED_',
      'WRAPPING_',
      'RANDOM_SEED',
      'SAVED_STATE',
      'INFORMATION_',
      'STATE_',
      'NEW_PIN',
      'NEXT_OTP',
      'EXCEEDED_MAX',
      'VENDOR',
    ].join('|') +
    ')',
)

describe('the table', () => {
  it.skipIf(!requires('pkcs11js'))(
    'has the numbers and the names of the binding, and misses none that a call here may bring',
    () => {
      const binding = createRequire(import.meta.url)('pkcs11js') as Record<string, unknown>
      const values = Object.entries(binding).filter(
        (entry): entry is [string, number] => entry[0].startsWith('CKR_') && typeof entry[1] === 'number',
      )
      expect(values.length).toBeGreaterThan(80)
      for (const [name, value] of values)
        if (!neverAsked.test(name)) expect([value, failure(value).returnValue]).toEqual([value, name])
    },
  )

  const classes: Readonly<
    Record<FailureClass, { readonly code: string; readonly values: readonly number[] }>
  > = {
    session: {
      code: 'ERR_HSM_UNAVAILABLE',
      values: [0x06, 0x50, 0x60, 0x82, 0x90, 0x91, 0xb0, 0xb3, 0x100, 0x101, 0x150],
    },
    device: {
      code: 'ERR_HSM_UNAVAILABLE',
      values: [0x02, 0x03, 0x05, 0x0a, 0x30, 0x32, 0xe0, 0xe1, 0x121, 0x190, 0x1a0, 0x1a1, 0x1b6, 0x1b7],
    },
    pin: { code: 'ERR_HSM_PIN', values: [0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0x102, 0x1b8] },
    limit: { code: 'ERR_HSM_SESSION_LIMIT', values: [0xb1] },
    request: {
      code: 'ERR_HSM_REFUSED',
      values: [
        0x07, 0x10, 0x11, 0x12, 0x13, 0x1b, 0x20, 0x21, 0x31, 0x54, 0x62, 0x63, 0x68, 0x6a, 0x70, 0x71, 0xb5,
        0xd0, 0xd1, 0xe2, 0x103, 0x104, 0x105, 0x130, 0x140, 0x191, 0x200,
      ],
    },
  }
  it.each(
    Object.entries(classes).flatMap(([name, { code, values }]) =>
      values.map((value) => [value, name, code] as const),
    ),
  )('answers %i by the class %s and the code %s', (value, failureClass, code) => {
    expect(failure(value)).toMatchObject({
      name: 'PkiError',
      code,
      failureClass,
      returnValue: expect.stringMatching(/^CKR_[A-Z_]+$/) as unknown,
    })
  })

  it.each([0x80000000, 0x80000136, 0xffffffff, 0x1234])(
    'does not use a session again after %i, which it does not know',
    (value) => {
      expect(failure(value)).toMatchObject({
        code: 'ERR_HSM_UNAVAILABLE',
        failureClass: 'session',
        returnValue: `0x${value.toString(16)}`,
      })
    },
  )
})

describe('an error of the binding', () => {
  it.each<[string, unknown, number | undefined]>([
    ['with a code', new CkrError(0x30), 0x30],
    ['with its value in the text', new Error('CKR_OPERATION_NOT_INITIALIZED:145\n    at native'), 145],
    ['of its own', new TypeError('Argument 1 is wrong'), undefined],
    ['with a code of the system', Object.assign(new Error('open'), { code: 'ENOENT' }), undefined],
    ['with a number for another reason', Object.assign(new Error('x'), { code: 0x30 }), undefined],
    ['that is none', 'CKR_DEVICE_ERROR:48', undefined],
    ['that is nothing', undefined, undefined],
  ])('%s is read', (_what, error, value) => {
    expect(returnValueOf(error)).toBe(value)
    const wrapped = hsmError(error, 'the call')
    expect(wrapped).toBeInstanceOf(HsmError)
    if (value === undefined) expect(wrapped).toMatchObject({ code: 'ERR_HSM_REFUSED', returnValue: 'none' })
  })

  it('of ours stays as it is', () => {
    const own = new PkiError('ERR_KEY_NOT_FOUND', 'gone')
    expect(hsmError(own, 'the call')).toBe(own)
    expect(inspect(failure(0xa0))).toContain('CKR_PIN_INCORRECT')
  })
})
