// A PKCS#11 library in memory: tokens, sessions, objects and logins as PKCS #11 v3.0 has them, and whatever
// goes wrong when a test says so.

import { constants, generateKeyPairSync, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { expect } from 'vitest'
import { ck } from '../../src/adapters/pkcs11/cryptoki/cryptoki.ts'
import type {
  Attribute,
  Cryptoki,
  Handle,
  Mechanism,
  TokenInfo,
} from '../../src/adapters/pkcs11/cryptoki/cryptoki.ts'
import { Pkcs11KeyManager, Pkcs11Module } from '../../src/adapters/pkcs11/index.ts'
import type { Pkcs11Binding } from '../../src/adapters/pkcs11/cryptoki/cryptoki.ts'
import type { Pkcs11KeyManagerOptions } from '../../src/adapters/pkcs11/pkcs11-options.ts'
import { octetString } from '../../src/der/index.ts'
import { FakeClock } from '../../src/testing/index.ts'
import { verifySignature } from '../../src/x509/index.ts'
import type { Signer } from '../../src/x509/index.ts'

/** What `pkcs11js` throws. */
export class CkrError extends Error {
  override readonly name = 'Pkcs11Error'
  readonly code: number

  constructor(code: number) {
    super(`CKR of ${code}`)
    this.code = code
  }
}

/** Handles are numbers in buffers, as in the binding. */
const numberOf = (handle: Handle): number => handle.readUInt32LE(0)
const handleOf = (number: number): Handle => {
  const handle = Buffer.alloc(8)
  handle.writeUInt32LE(number)
  return handle
}

interface FakeObject {
  readonly attributes: Map<number, Buffer>
  readonly key: KeyObject | undefined
}

interface FakeSession {
  readonly rw: boolean
  search: number[] | undefined
  signing:
    { readonly key: KeyObject; readonly mechanism: Mechanism; readonly alwaysLogin: boolean } | undefined
  contextLogin: boolean
  running: boolean
}

/** One token, with what it was asked. */
export class FakeToken {
  readonly label: string
  readonly serialNumber: string
  pin = '1234'
  present = true
  maxSessions = 1000
  readonly objects: Map<number, FakeObject> = new Map<number, FakeObject>()
  readonly sessions: Map<number, FakeSession> = new Map<number, FakeSession>()
  /** Every PIN that C_Login was called with. */
  readonly sentPins: string[] = []
  wrongPins = 0
  /** What it answers to a wrong PIN, and whether its flags tell of one. */
  wrongPinAnswer = 0xa0
  tellsOfWrongPins = true
  loggedIn = false

  constructor(label: string, serialNumber = `serial of ${label}`) {
    this.label = label
    this.serialNumber = serialNumber
  }

  /** As when it is pulled out: every session is gone, and the login with them. */
  remove(): void {
    this.present = false
    this.sessions.clear()
    this.loggedIn = false
  }

  get flags(): number {
    if (!this.tellsOfWrongPins) return ck.CKF_LOGIN_REQUIRED
    return (
      ck.CKF_LOGIN_REQUIRED |
      (this.wrongPins > 0 ? ck.CKF_USER_PIN_COUNT_LOW : 0) |
      (this.wrongPins === 2 ? ck.CKF_USER_PIN_FINAL_TRY : 0) |
      (this.wrongPins >= 3 ? ck.CKF_USER_PIN_LOCKED : 0)
    )
  }
}

/** The library of some tokens. */
export class FakeLibrary {
  readonly tokens: readonly FakeToken[]
  initialised = false
  /**
   * Calls that no library should see: with a session of before, two operations at once, a finalised library.
   */
  readonly misuse: string[] = []
  readonly calls: string[] = []
  mechanisms: readonly number[] = [
    ck.CKM_ECDSA_SHA256,
    ck.CKM_ECDSA_SHA384,
    ck.CKM_ECDSA_SHA512,
    ck.CKM_SHA256_RSA_PKCS,
    ck.CKM_SHA256_RSA_PKCS_PSS,
    ck.CKM_EDDSA,
  ]
  /** Before each call; throws to fail it. */
  onCall: (name: string, args: readonly unknown[]) => void = () => undefined
  /** What is read of an attribute in place of what is there. */
  onRead: (objectClass: number, type: number, value: Buffer) => Buffer = (_class, _type, value) => value
  /** What a signature takes. */
  onSign: (signature: Buffer) => Buffer | Promise<Buffer> = (signature) => signature
  /** What making a key waits for. */
  onGenerate: () => void | Promise<void> = () => undefined
  #next = 1

  constructor(...tokens: FakeToken[]) {
    this.tokens = tokens
  }

  /** Sessions that are open in all tokens. */
  get openSessions(): number {
    return this.tokens.reduce((count, { sessions }) => count + sessions.size, 0)
  }

  /** As when its daemon starts anew: nothing that it gave out means anything. */
  restart(): void {
    this.initialised = false
    for (const token of this.tokens) {
      token.sessions.clear()
      token.loggedIn = false
    }
  }

  binding(): Pkcs11Binding {
    const implementation = this.#implementation() as unknown as Record<
      string,
      (...args: unknown[]) => unknown
    >
    const enter = (name: string, args: readonly unknown[]): void => {
      this.calls.push(name)
      if (name.startsWith('C_') && name !== 'C_Initialize' && !this.initialised) throw new CkrError(0x190)
      this.onCall(name, args)
    }
    const proxy = new Proxy(implementation, {
      get:
        (target, name: string) =>
        (...args: unknown[]): unknown => {
          if (!name.endsWith('Async')) {
            enter(name, args)
            return target[name]!(...args)
          }
          return (async () => {
            enter(name, args)
            return target[name]!(...args)
          })()
        },
    })
    return {
      PKCS11: class {
        constructor() {
          return proxy as never
        }
      },
    } as unknown as Pkcs11Binding
  }

  #implementation(): Cryptoki {
    const slotOf = (slot: Handle): FakeToken => {
      const token = this.tokens[numberOf(slot)]
      if (token === undefined) throw new CkrError(0x03)
      if (!token.present) throw new CkrError(0xe0)
      return token
    }
    const sessionOf = (handle: Handle) => {
      for (const token of this.tokens) {
        const session = token.sessions.get(numberOf(handle))
        if (session !== undefined) return { token, session }
      }
      throw new CkrError(0xb3)
    }
    const objectOf = (token: FakeToken, handle: Handle): FakeObject => {
      const object = token.objects.get(numberOf(handle))
      if (object === undefined) throw new CkrError(0x82)
      return object
    }
    const add = (
      token: FakeToken,
      template: readonly Attribute[],
      more: readonly Attribute[],
      key?: KeyObject,
    ): Handle => {
      const attributes = new Map([...template, ...more].map(({ type, value }) => [type, octetsOf(value)]))
      const number = this.#next++
      token.objects.set(number, { attributes, key })
      return handleOf(number)
    }
    return {
      load: () => undefined,
      close: () => undefined,
      C_Initialize: () => {
        if (this.initialised) throw new CkrError(0x191)
        this.initialised = true
      },
      C_Finalize: () => {
        for (const { sessions } of this.tokens)
          if ([...sessions.values()].some(({ running }) => running))
            this.misuse.push('finalised under a running call')
        this.restart()
      },
      C_GetSlotList: () => this.tokens.flatMap((token, at) => (token.present ? [handleOf(at)] : [])),
      C_GetTokenInfo: (slot): TokenInfo => {
        const { label, serialNumber, flags } = slotOf(slot)
        return {
          label: label.padEnd(32),
          serialNumber: serialNumber.padEnd(16),
          manufacturerID: '',
          model: '',
          flags,
        }
      },
      C_GetMechanismList: (slot) => {
        slotOf(slot)
        return [...this.mechanisms]
      },
      C_OpenSession: (slot, flags) => {
        const token = slotOf(slot)
        if (token.sessions.size >= token.maxSessions) throw new CkrError(0xb1)
        const number = this.#next++
        token.sessions.set(number, {
          rw: (flags & ck.CKF_RW_SESSION) !== 0,
          search: undefined,
          signing: undefined,
          contextLogin: false,
          running: false,
        })
        return handleOf(number)
      },
      C_CloseSession: (handle) => {
        const { token, session } = sessionOf(handle)
        if (session.running) this.misuse.push('closed a session under a running call')
        token.sessions.delete(numberOf(handle))
        if (token.sessions.size === 0) token.loggedIn = false
      },
      C_GetSessionInfo: (handle) => {
        const { token, session } = sessionOf(handle)
        return { state: (session.rw ? 2 : 0) + (token.loggedIn ? 1 : 0) }
      },
      C_Login: (handle, user, pin) => {
        const { token, session } = sessionOf(handle)
        // PKCS #11 v3.0 section 5.6.8: for the operation that was begun.
        if (user === ck.CKU_CONTEXT_SPECIFIC && session.signing === undefined) throw new CkrError(0x91)
        if (user === ck.CKU_USER && token.loggedIn) throw new CkrError(0x100)
        token.sentPins.push(pin)
        if (token.wrongPins >= 3) throw new CkrError(0xa4)
        if (pin !== token.pin) {
          token.wrongPins++
          throw new CkrError(token.wrongPinAnswer)
        }
        token.wrongPins = 0
        token.loggedIn = true
        session.contextLogin = user === ck.CKU_CONTEXT_SPECIFIC
      },
      C_FindObjectsInit: (handle, template) => {
        const { token, session } = sessionOf(handle)
        if (session.search !== undefined || session.running) throw new CkrError(0x90)
        session.search = [...token.objects]
          .filter(
            ([, { attributes }]) =>
              (token.loggedIn || attributes.get(ck.CKA_PRIVATE)?.[0] !== 1) &&
              template.every(({ type, value }) => attributes.get(type)?.equals(octetsOf(value)) === true),
          )
          .map(([number]) => number)
      },
      C_FindObjects: (handle, maximum) => {
        const { session } = sessionOf(handle)
        // The binding throws these as plain errors.
        if (session.search === undefined) throw new Error('CKR_OPERATION_NOT_INITIALIZED:145')
        return session.search.splice(0, maximum).map(handleOf)
      },
      C_FindObjectsFinal: (handle) => {
        const { session } = sessionOf(handle)
        if (session.search === undefined) throw new CkrError(0x91)
        session.search = undefined
      },
      C_GetAttributeValue: (handle, object, template) => {
        const { token } = sessionOf(handle)
        const { attributes } = objectOf(token, object)
        const objectClass = numberOf(attributes.get(ck.CKA_CLASS)!)
        return template.map(({ type }) => {
          const value = attributes.get(type)
          if (value === undefined) throw new CkrError(0x12)
          return { type, value: this.onRead(objectClass, type, value) }
        })
      },
      C_GenerateKeyPairAsync: async (handle, { mechanism }, publicTemplate, privateTemplate) => {
        const { token, session } = sessionOf(handle)
        if (!session.rw) throw new CkrError(0xb5)
        if (!token.loggedIn) throw new CkrError(0x101)
        session.running = true
        try {
          await this.onGenerate()
        } finally {
          session.running = false
        }
        const { privateKey, publicKey, attributes } = newPair(mechanism, publicTemplate)
        const made = (more: readonly Attribute[]): readonly Attribute[] => [
          { type: ck.CKA_LOCAL, value: true },
          ...more,
        ]
        return {
          publicKey: add(token, publicTemplate, made(attributes), publicKey),
          privateKey: add(
            token,
            privateTemplate,
            made([
              { type: ck.CKA_ALWAYS_SENSITIVE, value: true },
              { type: ck.CKA_NEVER_EXTRACTABLE, value: true },
            ]),
            privateKey,
          ),
        }
      },
      C_DestroyObject: (handle, object) => {
        const { token, session } = sessionOf(handle)
        if (!session.rw) throw new CkrError(0xb5)
        objectOf(token, object)
        token.objects.delete(numberOf(object))
      },
      C_SignInit: (handle, mechanism, object) => {
        const { token, session } = sessionOf(handle)
        if (session.signing !== undefined || session.running) {
          this.misuse.push('two operations on one session')
          throw new CkrError(0x90)
        }
        const { key, attributes } = objectOf(token, object)
        if (key?.type !== 'private') throw new CkrError(0x60)
        const alwaysLogin = attributes.get(ck.CKA_ALWAYS_AUTHENTICATE)?.[0] === 1
        session.signing = { key, mechanism, alwaysLogin }
        session.contextLogin = false
      },
      C_SignAsync: async (handle, data) => {
        const { token, session } = sessionOf(handle)
        if (session.signing === undefined) throw new CkrError(0x91)
        const { key, mechanism, alwaysLogin } = session.signing
        session.signing = undefined
        if (alwaysLogin && !session.contextLogin) throw new CkrError(0x101)
        session.running = true
        try {
          // As a native thread, which reads its input when it comes to it.
          await new Promise((resolve) => setImmediate(resolve))
          const signature = await this.onSign(signatureOf(key, mechanism, data))
          if (!token.sessions.has(numberOf(handle))) throw new CkrError(0xb3)
          return signature
        } finally {
          session.running = false
        }
      },
    }
  }
}

/** What tests sign. */
export const data: Buffer = Buffer.from('to be signed')

/** Lets what waits for its turn have it. */
export async function turns(count = 20): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}

export async function signsRight(signer: Signer): Promise<void> {
  expect(verifySignature(signer.publicKey, signer.signatureAlgorithm, data, await signer.sign(data))).toBe(
    true,
  )
}

/** A token called `ca` in a library of its own, and managers on it. */
export interface FakeSetup {
  readonly token: FakeToken
  readonly library: FakeLibrary
  readonly clock: FakeClock
  readonly load: () => Promise<Pkcs11Module>
  /** On a module of its own, where none is given. */
  readonly open: (options?: Partial<Pkcs11KeyManagerOptions>) => Promise<Pkcs11KeyManager>
  readonly objectsOf: (objectClass: number) => FakeObject[]
}

export function fakeSetup(): FakeSetup {
  const token = new FakeToken('ca')
  const library = new FakeLibrary(token)
  const clock = new FakeClock()
  const load = (): Promise<Pkcs11Module> =>
    Pkcs11Module.load('/in/memory', { pkcs11: library.binding(), clock })
  const open = async (options: Partial<Pkcs11KeyManagerOptions> = {}): Promise<Pkcs11KeyManager> => {
    const module = options.module ?? (await load())
    try {
      return await Pkcs11KeyManager.open({
        token: { label: 'ca' },
        pin: () => '1234',
        clock,
        ...options,
        module,
      })
    } finally {
      // The manager has its own share.
      if (options.module === undefined) await (module as Pkcs11Module).close()
    }
  }
  const objectsOf = (objectClass: number): FakeObject[] =>
    [...token.objects.values()].filter(
      ({ attributes }) => numberOf(attributes.get(ck.CKA_CLASS)!) === objectClass,
    )
  return { token, library, clock, load, open, objectsOf }
}

function octetsOf(value: Attribute['value']): Buffer {
  if (typeof value === 'number') return handleOf(value)
  if (typeof value === 'boolean') return Buffer.of(value ? 1 : 0)
  return typeof value === 'string' ? Buffer.from(value) : value
}

/** CKA_EC_PARAMS by the names of `node:crypto`. */
const curveNames: Readonly<Record<string, string>> = {
  '06082a8648ce3d030107': 'P-256',
  '06052b81040022': 'P-384',
  '06052b81040023': 'P-521',
}
/** RSA keys take long to make: one for all. */
let rsa: { readonly publicKey: KeyObject; readonly privateKey: KeyObject } | undefined

function newPair(
  mechanism: number,
  template: readonly Attribute[],
): {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  readonly attributes: readonly Attribute[]
} {
  const attribute = (type: number): Attribute['value'] | undefined =>
    template.find((one) => one.type === type)?.value
  const octets = (text: string | undefined): Buffer => Buffer.from(text!, 'base64url')
  if (mechanism === ck.CKM_RSA_PKCS_KEY_PAIR_GEN) {
    const pair =
      attribute(ck.CKA_MODULUS_BITS) === 2048
        ? (rsa ??= generateKeyPairSync('rsa', { modulusLength: 2048 }))
        : generateKeyPairSync('rsa', { modulusLength: attribute(ck.CKA_MODULUS_BITS) as number })
    const { n, e } = pair.publicKey.export({ format: 'jwk' })
    return {
      ...pair,
      attributes: [
        { type: ck.CKA_MODULUS, value: octets(n) },
        { type: ck.CKA_PUBLIC_EXPONENT, value: octets(e) },
      ],
    }
  }
  const pair =
    mechanism === ck.CKM_EC_KEY_PAIR_GEN
      ? generateKeyPairSync('ec', {
          namedCurve: curveNames[(attribute(ck.CKA_EC_PARAMS) as Buffer).toString('hex')]!,
        })
      : generateKeyPairSync('ed25519')
  const { x, y } = pair.publicKey.export({ format: 'jwk' })
  const point = y === undefined ? octets(x) : Buffer.concat([Buffer.of(4), octets(x), octets(y)])
  return { ...pair, attributes: [{ type: ck.CKA_EC_POINT, value: Buffer.from(octetString(point)) }] }
}

function signatureOf(key: KeyObject, { mechanism, parameter }: Mechanism, data: Buffer): Buffer {
  const hashes: Readonly<Record<number, string>> = {
    [ck.CKM_ECDSA_SHA256]: 'sha256',
    [ck.CKM_ECDSA_SHA384]: 'sha384',
    [ck.CKM_ECDSA_SHA512]: 'sha512',
    [ck.CKM_SHA256_RSA_PKCS]: 'sha256',
    [ck.CKM_SHA256_RSA_PKCS_PSS]: 'sha256',
  }
  const hash = hashes[mechanism] ?? null
  if (mechanism === ck.CKM_SHA256_RSA_PKCS_PSS)
    return sign(hash, data, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: parameter!.saltLen })
  return sign(hash, data, { key, dsaEncoding: 'ieee-p1363' })
}
