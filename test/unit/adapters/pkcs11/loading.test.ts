// A binding or library that cannot be loaded or initialised: the reason of the loader is in the message.

import { describe, expect, it, vi } from 'vitest'
import { reasonOf } from '../../../../src/adapters/pkcs11/cryptoki/cryptoki.ts'
import { Pkcs11Module } from '../../../../src/adapters/pkcs11/index.ts'
import { code } from '../../../support/codes.ts'
import { CkrError } from '../../../support/fake-token.ts'

describe('a library that cannot be loaded', () => {
  it('is told with the reason of the loader, on one line', async () => {
    const pkcs11 = {
      PKCS11: class {
        load(): void {
          throw new Error(
            '/lib/x.so: cannot open shared object file: No such file or directory\n    at native',
          )
        }
      },
    }
    await expect(Pkcs11Module.load('/lib/x.so', { pkcs11: pkcs11 as never })).rejects.toThrow(
      /cannot be loaded: \/lib\/x\.so: cannot open shared object file: No such file or directory$/,
    )
  })
})

it('a library that is not initialised is told with where to look', async () => {
  const pkcs11 = {
    PKCS11: class {
      load(): void {}
      C_Initialize(): void {
        throw new CkrError(0x05)
      }
    },
  }
  const failed = Pkcs11Module.load('/lib/x.so', { pkcs11: pkcs11 as never })
  await expect(failed).rejects.toThrow(code('ERR_PKCS11_LIBRARY'))
  await expect(failed).rejects.toThrow(/"\/lib\/x.so" .*C_Initialize .*CKR_GENERAL_ERROR.*SOFTHSM2_CONF/)
})

it('a binding that does not load is told with the reason', async () => {
  vi.doMock('pkcs11js', () => {
    throw new Error('not installed')
  })
  try {
    const failed = Pkcs11Module.load('/any')
    await expect(failed).rejects.toThrow(code('ERR_PKCS11_MODULE_NOT_INSTALLED'))
    await expect(failed).rejects.toThrow(/npm install pkcs11js.*npm rebuild.*Loading it failed: /)
  } finally {
    vi.doUnmock('pkcs11js')
  }
})

it('a reason of several lines is told on one, without the stack', () => {
  const text =
    "The module 'p.node'\nwas compiled against a different Node.js version.\n    at native (x.js:1)"
  expect(reasonOf(new Error(text))).toBe(
    "The module 'p.node' was compiled against a different Node.js version.",
  )
})
