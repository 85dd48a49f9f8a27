// The key manager on a library in memory: whatever the library answers, no session is lost, no PIN is sent
// twice.

import { inspect } from 'node:util'
import { serialize } from 'node:v8'
import { describe, expect, it } from 'vitest'
import { ck } from '../../../../src/adapters/pkcs11/cryptoki/cryptoki.ts'
import { Pkcs11KeyManager, Pkcs11Module } from '../../../../src/adapters/pkcs11/index.ts'
import type { Pkcs11KeyManagerOptions } from '../../../../src/adapters/pkcs11/pkcs11-options.ts'
import type { PinValue } from '../../../../src/adapters/pkcs11/token/token-login.ts'
import { isPkiError } from '../../../../src/errors/index.ts'
import type { KeyAlgorithm } from '../../../../src/keys/index.ts'
import { verifySignature } from '../../../../src/x509/index.ts'
import { code } from '../../../support/codes.ts'
import { itKeepsTheContract } from '../../../support/contract.ts'
import {
  CkrError,
  FakeLibrary,
  FakeToken,
  data,
  fakeSetup,
  signsRight,
  turns,
} from '../../../support/fake-token.ts'

describe('on a library in memory', () => {
  const { open } = fakeSetup()
  const algorithms: readonly KeyAlgorithm[] = [
    'P-256',
    'P-384',
    'P-521',
    'Ed25519',
    'RSA-2048',
    'RSA-PSS-2048',
  ]
  itKeepsTheContract({ open: () => open({ clock: undefined }), algorithms, extractable: false })
})

describe('the selection of a token', () => {
  it.each([
    [{ label: '' }],
    [{ serialNumber: '' }],
    [{ label: 'ca', serialNumber: '' }],
    [{ label: 5 as never }],
    [{ label: null as never }],
  ])('%j is refused: a slot without a token has an empty label', async (token) => {
    const { library, open } = fakeSetup()
    await expect(open({ token })).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    expect(library.calls.filter((name) => name === 'C_OpenSession')).toEqual([])
  })

  it.each([[{ label: 'ca   ' }], [{ label: 'ca', serialNumber: 'serial of ca ' }]])(
    '%j is the token: blanks at the end are padding',
    async (token) => {
      await using keys = await fakeSetup().open({ token })
      expect(await keys.listKeys()).toEqual([])
    },
  )

  const openAmong = async (label: string, ...tokens: FakeToken[]) => {
    const library = new FakeLibrary(...tokens)
    const module = await Pkcs11Module.load('/in/memory', { pkcs11: library.binding() })
    return Pkcs11KeyManager.open({ module, token: { label }, pin: () => '1234' })
  }

  it('a label is the same text composed or not', async () => {
    await using keys = await openAmong('Z\u00FCrich', new FakeToken('Zu\u0308rich'))
    expect(await keys.listKeys()).toEqual([])
  })

  it('a wrong one is told with the labels and serial numbers that are there', async () => {
    const tokens = [new FakeToken('ca', 'A1'), new FakeToken('ca', 'B2'), new FakeToken('web', 'C3')]
    await expect(openAmong('ca', ...tokens)).rejects.toThrow(
      /^2 tokens have the label "ca"; select one by its serial number: "A1", "B2"$/,
    )
    await expect(openAmong('w', ...tokens)).rejects.toThrow(
      /no token has the label "w"; .* "ca" \(serial number "A1"\), .*"web" \(serial number "C3"\)$/,
    )
  })

  it('a slot that fails is told where no token is found', async () => {
    const { library, open } = fakeSetup()
    library.onCall = (name) => {
      if (name === 'C_GetTokenInfo') throw new CkrError(0x30)
    }
    await expect(open()).rejects.toThrow(
      /no initialised token; of another slot, C_GetTokenInfo.*DEVICE_ERROR/,
    )
  })

  it('blanks at the start and the case of letters count', async () => {
    for (const label of [' ca', 'CA', 'c a'])
      await expect(fakeSetup().open({ token: { label } })).rejects.toThrow(code('ERR_HSM_TOKEN_NOT_FOUND'))
  })
})

describe('a call that fails', () => {
  /** Everything that a manager does, each step whether or not the one before was done. */
  async function everything(keys: Pkcs11KeyManager): Promise<readonly unknown[]> {
    const failures: unknown[] = []
    const step = async <T>(work: () => Promise<T>): Promise<T | undefined> =>
      work().catch((error: unknown) => {
        failures.push(error)
        return undefined
      })
    const signer = await step(() => keys.generateKey('ca', 'P-256'))
    if (signer !== undefined) await step(() => signsRight(signer))
    await step(() => keys.rotateKey('ca'))
    const old = await step(() => keys.getSigner('ca', 1))
    if (old !== undefined) await step(() => signsRight(old))
    await step(() => keys.listKeys())
    await step(() => keys.destroyKey('ca', 2))
    await step(() => keys.destroyKey('ca'))
    return failures
  }

  const values = [0x05, 0x06, 0x07, 0x30, 0x32, 0x54, 0x82, 0x90, 0xb1, 0xb3, 0xe0, 0x101, 0x190, 0x80000001]
  it.each(values)(
    'with %i is answered by a code, wherever it fails, and leaves no session and no operation behind',
    async (value) => {
      // How many calls there are, is counted in a run without failure.
      const { library: counted, open: openCounted } = fakeSetup()
      await using first = await openCounted()
      expect(await everything(first)).toEqual([])
      const total = counted.calls.length
      expect(total).toBeGreaterThan(40)
      for (let failing = 1; failing <= total; failing++) {
        const { library, token, open, objectsOf } = fakeSetup()
        let calls = 0
        let failed = ''
        library.onCall = (name) => {
          if (++calls !== failing || !name.startsWith('C_')) return
          failed = name
          throw new CkrError(value)
        }
        const opened: unknown = await open().catch((error: unknown) => error)
        if (opened instanceof Pkcs11KeyManager) {
          for (const failure of await everything(opened))
            expect(isPkiError(failure), inspect(failure)).toBe(true)
          await turns(3)
          // No session but those of the pool, and nothing begun on them.
          expect(library.openSessions).toBeLessThanOrEqual(8)
          if (library.initialised)
            expect(
              [...token.sessions.values()].filter(
                ({ search, signing, running }) => search !== undefined || signing !== undefined || running,
              ),
            ).toEqual([])
          // A token that says that a session is gone, is believed; what it only failed to close, is closed
          // with the next.
          if (opened.health === 'ready' && failed !== 'C_CloseSession')
            expect([failed, library.openSessions]).toEqual([failed, opened.sessions.open])
          // No private key without its public one: it could not be used.
          const ids = (objectClass: number): string[] =>
            objectsOf(objectClass)
              .map(({ attributes }) => attributes.get(ck.CKA_ID)!.toString())
              .sort()
          // A token that says of a key it keeps that it is gone (0x82), is believed.
          if (failed !== 'C_DestroyObject' || value !== 0x82)
            for (const id of ids(ck.CKO_PRIVATE_KEY)) expect(ids(ck.CKO_PUBLIC_KEY)).toContain(id)
          await opened[Symbol.asyncDispose]()
          await opened[Symbol.asyncDispose]()
        } else expect(isPkiError(opened), inspect(opened)).toBe(true)
        expect(library.misuse).toEqual([])
        expect(token.sentPins.length).toBeLessThanOrEqual(3)
        // A library that was asked to finalise and refused, was asked.
        if (library.initialised)
          expect(library.calls.filter((name) => name === 'C_Finalize').length).toBeGreaterThan(0)
        else expect(library.openSessions).toBe(0)
      }
    },
    120_000,
  )

  it.each(values)(
    'with %i from some moment on, and all after it, is answered by a code; the manager is back when ' +
      'the library is',
    async (value) => {
      for (let failing = 12; failing <= 90; failing += 3) {
        const { library, token, clock, open } = fakeSetup()
        await using keys = await open()
        const kept = await keys.generateKey('kept', 'P-256')
        let calls = 0
        library.onCall = (name) => {
          if (++calls >= failing && name.startsWith('C_')) throw new CkrError(value)
        }
        for (const failure of await everything(keys)) expect(isPkiError(failure), inspect(failure)).toBe(true)
        library.onCall = () => undefined
        // What the token may have counted as a wrong PIN, a person has to look at.
        if (keys.health === 'pin-refused') await keys.allowLogin()
        clock.advance(5000)
        await turns()
        await kept
          .sign(data)
          .catch((error: unknown) => expect(error).toMatchObject({ code: 'ERR_HSM_UNAVAILABLE' }))
        clock.advance(5000)
        await turns()
        await signsRight(kept)
        expect([keys.health, library.misuse]).toEqual(['ready', []])
        expect(token.sentPins.length).toBeLessThanOrEqual(4)
        if ([0x32, 0xb3, 0xe0, 0x190].includes(value)) continue
        await keys.rotateKey('kept')
        expect(library.openSessions).toBe(keys.sessions.open)
        expect(
          [...token.sessions.values()].filter(
            ({ search, signing, running }) => search !== undefined || signing !== undefined || running,
          ),
        ).toEqual([])
      }
    },
    120_000,
  )

  it.each(values)('with %i, wherever it fails, does not have a wrong PIN sent again', async (value) => {
    for (let failing = 1; failing <= 12; failing++) {
      const { library, token, open, clock } = fakeSetup()
      let calls = 0
      library.onCall = (name) => {
        if (++calls === failing && name.startsWith('C_')) throw new CkrError(value)
      }
      const opened: unknown = await open({ pin: () => '0000' }).catch((error: unknown) => error)
      expect(isPkiError(opened)).toBe(true)
      clock.advance(60_000)
      await turns(3)
      expect(token.sentPins.length).toBeLessThanOrEqual(1)
      expect(library.openSessions).toBe(0)
    }
  })
})

describe('the PIN', () => {
  it('that is wrong is sent once, whoever asks and however often', async () => {
    const { token, load, open } = fakeSetup()
    const module = await load()
    for (let i = 0; i < 3; i++)
      await expect(open({ module, pin: () => '0000' })).rejects.toThrow(code('ERR_HSM_PIN'))
    await expect(
      Promise.all([open({ module, pin: () => '0000' }), open({ module, pin: () => Buffer.from('0000') })]),
    ).rejects.toThrow(code('ERR_HSM_PIN'))
    expect(token.sentPins).toEqual(['0000'])
    await using keys = await open({ module })
    expect(keys.health).toBe('ready')
  })

  it('that was changed at the token is sent once, and then nobody tries until somebody says so', async () => {
    const { token, clock, open } = fakeSetup()
    let pin = '1234'
    let asked = 0
    await using keys = await open({
      pin: () => {
        asked++
        return pin
      },
    })
    const signer = await keys.generateKey('ca', 'P-256')
    token.remove()
    token.pin = '5678'
    await expect(signer.sign(data)).rejects.toThrow(code('ERR_HSM_UNAVAILABLE'))
    token.present = true
    for (let i = 0; i < 100; i++) {
      clock.advance(1000)
      await turns(3)
      await signer
        .sign(data)
        .catch((error: unknown) =>
          expect((error as { code: string }).code).toMatch(/^ERR_HSM_(PIN|UNAVAILABLE)$/),
        )
    }
    expect(token.sentPins).toEqual(['1234', '1234'])
    expect([keys.health, asked]).toEqual(['pin-refused', 2])
    // The same one is not sent again, though somebody says that it may be.
    await expect(keys.allowLogin()).rejects.toThrow(code('ERR_HSM_PIN'))
    expect(token.sentPins).toHaveLength(2)
    pin = '5678'
    await keys.allowLogin()
    clock.advance(5000)
    await turns()
    await signsRight(signer)
    expect(keys.health).toBe('ready')
  })

  it.each([
    ['a code of its own', 0x80000136, true, 1],
    ['a code of its own, and no flag', 0x80000136, false, 1],
    ['CKR_ARGUMENTS_BAD, and no flag', 0x07, false, 1],
    ['CKR_FUNCTION_REJECTED, and no flag', 0x200, false, 1],
    ['CKR_GENERAL_ERROR', 0x05, true, 1],
    ['CKR_FUNCTION_FAILED', 0x06, true, 1],
    ['CKR_DEVICE_ERROR', 0x30, true, 1],
    // Nothing tells this from a device that failed: once more, and no more.
    ['CKR_GENERAL_ERROR, and no flag', 0x05, false, 2],
    ['CKR_DEVICE_ERROR, and no flag', 0x30, false, 2],
    ['CKR_PIN_EXPIRED', 0xa3, false, 1],
    ['CKR_PIN_LOCKED', 0xa4, false, 1],
    ['CKR_PIN_LEN_RANGE', 0xa2, false, 1],
    ['CKR_USER_PIN_NOT_INITIALIZED', 0x102, false, 1],
  ])('that is wrong locks no token that answers it with %s', async (_what, answer, tells, attempts) => {
    const { token, clock, open } = fakeSetup()
    let pin = '1234'
    await using keys = await open({ pin: () => pin })
    const signer = await keys.generateKey('ca', 'P-256')
    token.remove()
    await expect(signer.sign(data)).rejects.toThrow(code('ERR_HSM_UNAVAILABLE'))
    Object.assign(token, { present: true, pin: 'another', wrongPinAnswer: answer, tellsOfWrongPins: tells })
    for (let i = 0; i < 50; i++) {
      clock.advance(5000)
      await turns(3)
      await signer.sign(data).catch((error: unknown) => expect(isPkiError(error)).toBe(true))
    }
    expect(token.sentPins).toHaveLength(1 + attempts)
    expect(keys.health).toBe('pin-refused')
    pin = 'another'
    await keys.allowLogin()
    clock.advance(5000)
    await turns()
    await signsRight(signer)
  })

  it.each([
    ['one try is left', 2, 'ERR_HSM_PIN'],
    ['it is locked', 3, 'ERR_HSM_PIN'],
  ])('is not sent where %s', async (_what, wrongPins, wanted) => {
    const { token, open } = fakeSetup()
    token.wrongPins = wrongPins
    await expect(open()).rejects.toThrow(code(wanted))
    expect(token.sentPins).toEqual([])
    if (wrongPins === 3) return
    await using keys = await open({ useFinalPinTry: true })
    expect(keys.health).toBe('ready')
  })

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a number', 1234],
    ['an empty text', ''],
    ['no octets', new Uint8Array(0)],
    ['octets that are no UTF-8', Uint8Array.of(0x31, 0xff)],
    ['too much', 'x'.repeat(1025)],
  ])('is not sent where its source gives %s', async (_what, pin) => {
    const { token, library, open } = fakeSetup()
    await expect(open({ pin: () => pin as PinValue })).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    expect([token.sentPins, library.openSessions]).toEqual([[], 0])
  })

  it('is overwritten where it came as octets, also where it was refused', async () => {
    for (const pin of ['1234', '0000']) {
      const { open } = fakeSetup()
      const octets = Buffer.from(pin)
      const opened = await open({ pin: () => octets }).catch(() => undefined)
      expect([...octets]).toEqual([0, 0, 0, 0])
      await opened?.[Symbol.asyncDispose]()
    }
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('secret in a text')
      },
    ],
    ['rejects', () => Promise.reject(new Error('secret in a text'))],
  ])(
    'whose source %s is said to be at fault, and not the library; its text is the cause alone',
    async (_what, pin) => {
      const { token, open } = fakeSetup()
      const failure: unknown = await open({ pin }).catch((error: unknown) => error)
      expect(failure).toMatchObject({
        code: 'ERR_HSM_REFUSED',
        message: expect.stringMatching(/^token "ca": the PIN source failed/),
        cause: expect.objectContaining({ message: 'secret in a text' }),
      })
      expect((failure as Error).message).not.toContain('secret')
      expect(token.sentPins).toEqual([])
    },
  )

  it('whose source fails is asked for once, and nothing is left open', async () => {
    const { token, library, open } = fakeSetup()
    let asked = 0
    await expect(
      open({
        pin: () => {
          asked++
          throw new Error('the vault is sealed')
        },
      }),
    ).rejects.toThrow(expect.objectContaining({ name: 'PkiError' }))
    expect([asked, token.sentPins, library.openSessions, library.initialised]).toEqual([1, [], 0, false])
  })

  it('is asked for once, however many sessions are opened at once', async () => {
    const { token, open } = fakeSetup()
    await using keys = await open({
      pin: async () => {
        await turns(2)
        return '1234'
      },
    })
    const signer = await keys.generateKey('ca', 'P-256')
    await Promise.all(Array.from({ length: 50 }, () => signsRight(signer)))
    expect(token.sentPins).toEqual(['1234'])
    expect(keys.sessions.open).toBe(8)
  })

  it('is in nothing that is shown, logged or thrown', async () => {
    const { token, clock, library, open } = fakeSetup()
    const pin = 'pin-that-nobody-sees'
    token.pin = pin
    const shown: unknown[] = []
    const log = (fields: unknown, message?: unknown): void => void shown.push(fields, message)
    const logger = {
      trace: log,
      debug: log,
      info: log,
      warn: log,
      error: log,
      fatal: log,
    } as unknown as NonNullable<Pkcs11KeyManagerOptions['logger']>
    const keys = await open({ pin: () => pin, logger })
    const signer = await keys.generateKey('ca', 'P-256')
    token.remove()
    shown.push(await signer.sign(data).catch((error: unknown) => error))
    Object.assign(token, { present: true, pin: 'other', wrongPinAnswer: 0x30 })
    clock.advance(5000)
    await turns()
    shown.push(
      await signer.sign(data).catch((error: unknown) => error),
      await keys.allowLogin().catch((error: unknown) => error),
      keys,
      signer,
      library.calls,
    )
    for (const wrong of [0xa0, 0x80000001]) {
      token.wrongPinAnswer = wrong
      shown.push(await open({ pin: () => pin, logger }).catch((error: unknown) => error))
    }
    const forms =
      inspect(shown, { depth: 20, showHidden: true, showProxy: true }) +
      JSON.stringify(shown) +
      serialize(shown.map((one) => (one instanceof Error ? structuredClone(one) : String(one)))).toString(
        'latin1',
      )
    expect(shown.length).toBeGreaterThan(10)
    for (const form of [
      pin,
      Buffer.from(pin).toString('hex'),
      Buffer.from(pin).toString('base64'),
      [...Buffer.from(pin)].join(','),
    ])
      expect(forms).not.toContain(form)
    await keys[Symbol.asyncDispose]()
  })
})

describe('a token', () => {
  it('that is removed in the middle of it is answered for, and is back when it is', async () => {
    const { token, library, clock, open } = fakeSetup()
    await using keys = await open()
    const signer = await keys.generateKey('ca', 'P-256')
    let done = 0
    const outcomes = await Promise.all(
      Array.from({ length: 400 }, async () => {
        if (++done === 200) setImmediate(() => token.remove())
        return signer.sign(data).then(
          (signature) => verifySignature(signer.publicKey, signer.signatureAlgorithm, data, signature),
          (error: unknown) => (error as { code: string }).code,
        )
      }),
    )
    expect(outcomes.filter((one) => one !== true && one !== 'ERR_HSM_UNAVAILABLE')).toEqual([])
    expect(outcomes).toContain('ERR_HSM_UNAVAILABLE')
    expect(keys.health).toBe('unavailable')
    const calls = library.calls.length
    await expect(signer.sign(data)).rejects.toThrow(code('ERR_HSM_UNAVAILABLE'))
    expect(library.calls.length).toBe(calls)
    token.present = true
    clock.advance(5000)
    await turns()
    expect(keys.health).toBe('ready')
    await signsRight(signer)
    expect([library.openSessions, library.misuse]).toEqual([keys.sessions.open, []])
  })

  it('whose library starts anew is connected again by the call that finds out', async () => {
    const { library, token, open } = fakeSetup()
    await using keys = await open()
    const signer = await keys.generateKey('ca', 'P-256')
    await signsRight(signer)
    library.restart()
    await signsRight(signer)
    library.restart()
    await keys
      .rotateKey('ca')
      .catch((error: unknown) => expect(error).toMatchObject({ code: 'ERR_HSM_UNAVAILABLE' }))
    await keys.rotateKey('ca')
    expect(token.sentPins).toHaveLength(3)
    expect([library.openSessions, library.misuse]).toEqual([keys.sessions.open, []])
  })

  it('has the label or the serial number that was asked for, once', async () => {
    const tokens = [new FakeToken('ca', '1'), new FakeToken('ca', '2'), new FakeToken('web', '3')]
    const library = new FakeLibrary(...tokens)
    await using module = await Pkcs11Module.load('/in/memory', { pkcs11: library.binding() })
    const open = (token: { label?: string; serialNumber?: string }) =>
      Pkcs11KeyManager.open({ module, token, pin: () => '1234' })
    for (const selector of [
      { label: 'ca' },
      { label: 'c' },
      { label: 'CA' },
      { serialNumber: '4' },
      { label: 'ca', serialNumber: '3' },
    ])
      await expect(open(selector)).rejects.toThrow(code('ERR_HSM_TOKEN_NOT_FOUND'))
    await expect(open({})).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    // Settings that would let signatures out unchecked, or limit nothing.
    for (const settings of [
      { checkSignatures: 'Always' as 'always' },
      { maxSessions: Number.NaN },
      { maxWaiting: Number.NaN },
      { timeoutMs: Number.NaN },
      { maxFailures: -1 },
    ]) {
      await expect(
        Pkcs11KeyManager.open({ module, token: { label: 'web' }, pin: () => '1234', ...settings }),
      ).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    }
    for (const selector of [{ label: 'web' }, { serialNumber: '2' }, { label: 'ca', serialNumber: '1' }])
      await (await open(selector))[Symbol.asyncDispose]()
    expect(tokens.map(({ sentPins }) => sentPins.length)).toEqual([1, 1, 1])
  })

  it(
    'that never answers to the making of a key fails that call alone, and closes its session when ' +
      'it does',
    async () => {
      const { library, clock, open } = fakeSetup()
      await using keys = await open({ timeoutMs: 1000 })
      const signer = await keys.generateKey('ca', 'P-256')
      let answer = (): void => undefined
      library.onGenerate = () => new Promise((resolve) => (answer = resolve))
      const outcomes = [keys.generateKey('web', 'P-256'), keys.generateKey('api', 'P-256')].map((call) =>
        call.then(
          () => 'made',
          (error: unknown) => (error as { code: string }).code,
        ),
      )
      await turns(3)
      library.onGenerate = () => undefined
      await signsRight(signer)
      // Making an RSA key takes some tokens a minute: more time than for a signature.
      clock.advance(30_000)
      await turns(3)
      await signsRight(signer)
      clock.advance(120_000)
      await turns(5)
      expect(await Promise.all(outcomes)).toEqual(['ERR_HSM_TIMEOUT', 'made'])
      expect(library.openSessions).toBe(keys.sessions.open + 1)
      answer()
      await turns(5)
      expect([library.openSessions, library.misuse, keys.health]).toEqual([keys.sessions.open, [], 'ready'])
    },
  )

  it('that says of many keys in a row that they are gone works, and is not passed over', async () => {
    const { open } = fakeSetup()
    await using keys = await open()
    await using other = await open()
    const signers = await Promise.all(
      Array.from({ length: 12 }, (_, i) => keys.generateKey(`key-${i}`, 'P-256')),
    )
    const kept = await keys.generateKey('kept', 'P-256')
    for (const signer of signers) await signsRight(signer)
    for (const signer of signers) await other.destroyKey(signer.id)
    for (const signer of signers) await expect(signer.sign(data)).rejects.toThrow(code('ERR_KEY_NOT_FOUND'))
    expect(keys.health).toBe('ready')
    await signsRight(kept)
  })

  it('that has one session gives it to a write too, and takes it back', async () => {
    const { token, library, open } = fakeSetup()
    token.maxSessions = 1
    await using keys = await open()
    const signer = await keys.generateKey('ca', 'P-256')
    for (let i = 0; i < 3; i++) {
      await signsRight(signer)
      await keys.rotateKey('ca')
      expect(library.openSessions).toBe(keys.sessions.open)
    }
    await signsRight(signer)
  })

  it('whose last PIN was wrong is logged in to, with a warning', async () => {
    const { token, open } = fakeSetup()
    const warnings: unknown[] = []
    const silent = (): void => undefined
    const logger = {
      trace: silent,
      debug: silent,
      info: silent,
      error: silent,
      fatal: silent,
      warn: (fields: unknown) => void warnings.push(fields),
    } as unknown as NonNullable<Pkcs11KeyManagerOptions['logger']>
    await (await open({ logger }))[Symbol.asyncDispose]()
    expect(warnings).toEqual([])
    token.wrongPins = 1
    await (await open({ logger }))[Symbol.asyncDispose]()
    expect(warnings).toEqual([{ token: 'ca', serialNumber: 'serial of ca' }])
  })

  it('has more than a page of objects, and not more than there is an end to', async () => {
    const { library, open } = fakeSetup()
    await using keys = await open()
    for (let i = 0; i < 33; i++) await keys.generateKey(`key-${i}`, 'P-256')
    expect(await keys.listKeys()).toHaveLength(33)
    let endless = false
    const { PKCS11 } = library.binding()
    const inner = new PKCS11()
    const endlessly = {
      PKCS11: class {
        constructor() {
          return new Proxy(inner, {
            get: (target, name) =>
              name === 'C_FindObjects' && endless
                ? () => Array.from({ length: 32 }, () => Buffer.alloc(8))
                : (Reflect.get(target, name) as unknown),
          }) as never
        }
      },
    } as never
    await using module = await Pkcs11Module.load('/in/memory', { pkcs11: endlessly })
    await using other = await Pkcs11KeyManager.open({ module, token: { label: 'ca' }, pin: () => '1234' })
    endless = true
    await expect(other.listKeys()).rejects.toThrow(code('ERR_LIMIT_EXCEEDED'))
  })
})
