// Presents a Signer as a WebCrypto provider (W3C WebCrypto §14.3.3), so that code with a `Crypto` argument,
// such as @peculiar/x509, can sign with it.

import { readOptions } from '../internal/options.ts'
import { webcrypto } from 'node:crypto'
import { PkiError } from '../errors/index.ts'
import { curveByName, joinedEcdsaSignature, requireSigner, signatureAlgorithms } from '../x509/internal.ts'
import type { Signer } from '../x509/index.ts'

/** A provider, and its only signing key pair. @inline */
export interface BridgedSigner {
  /**
   * Every operation but signing with `keys.privateKey` is delegated to the
   * underlying provider. Pass it as an argument; it is not installed globally. Its
   * type is that of the DOM library if the project has it, else Node's.
   */
  readonly crypto: typeof globalThis.crypto
  /** The private half is a handle: it contains no key, and cannot be exported. */
  readonly keys: webcrypto.CryptoKeyPair
}

/** Options of `bridgeToWebCrypto`. @inline */
export interface BridgeOptions {
  /**
   * The underlying provider: the platform's by default, or for example `new
   * Crypto()` of `@peculiar/webcrypto`.
   */
  // Two types if a project has the DOM library, one otherwise.
  // eslint-disable-next-line @typescript-eslint/no-duplicate-type-constituents
  readonly crypto?: webcrypto.Crypto | typeof globalThis.crypto | undefined
}

/**
 * Bridges a signer to WebCrypto. The private key names its only algorithm,
 * hash and salt length, so that generators choose them.
 *
 * @throws ERR_KEY_UNSUPPORTED if the provider does not accept the public key; `sign` rejects with
 *   ERR_ALGORITHM_MISMATCH for another algorithm, ERR_KEY_NOT_EXTRACTABLE for an export, ERR_INVALID_ARGUMENT
 *   for any other use of the private key
 * @throws ERR_INVALID_ARGUMENT if the value is not a signer
 */
export async function bridgeToWebCrypto(signer: Signer, options: BridgeOptions = {}): Promise<BridgedSigner> {
  requireSigner(signer)
  const given = readOptions<BridgeOptions>('bridgeToWebCrypto', options, { crypto: 'optional' })
  const base = given.crypto ?? webcrypto
  const algorithm = webAlgorithm(signer)
  let publicKey: webcrypto.CryptoKey
  try {
    publicKey = await base.subtle.importKey('spki', signer.publicKey.spki, algorithm, true, ['verify'])
  } catch (cause) {
    throw new PkiError(
      'ERR_KEY_UNSUPPORTED',
      `the WebCrypto provider does not accept a public key for ${signer.signatureAlgorithm}`,
      { cause },
    )
  }
  const usages = Object.freeze(['sign'])
  const handle = {
    type: 'private',
    extractable: false,
    algorithm: shown(webAlgorithm(signer)),
    usages,
    [Symbol.toStringTag]: 'CryptoKey',
  } as const
  const privateKey = Object.freeze(handle) as unknown as webcrypto.CryptoKey
  const subtle = bound(base.subtle, (name, args) => {
    if (!args.includes(privateKey)) return undefined
    if (name === 'sign' && args[1] === privateKey) return sign(signer, algorithm, args[0], args[2])
    if (name === 'exportKey' || name === 'wrapKey')
      return Promise.reject(new PkiError('ERR_KEY_NOT_EXTRACTABLE', `key ${signer.id} cannot be exported`))
    return Promise.reject(new PkiError('ERR_INVALID_ARGUMENT', `key ${signer.id} can be used to sign only`))
  })
  const crypto = bound(base, () => undefined)
  const bridged = new Proxy(crypto, {
    get: (target, name) => (name === 'subtle' ? subtle : Reflect.get(target, name)) as unknown,
  })
  return { crypto: bridged, keys: { publicKey, privateKey } }
}

/** `target` with bound methods, because they need their `this`; `instead` replaces some of them. */
function bound<T extends object>(
  target: T,
  instead: (name: string | symbol, args: readonly unknown[]) => Promise<unknown> | undefined,
): T {
  return new Proxy(target, {
    get(_, name) {
      const member: unknown = Reflect.get(target, name, target)
      if (typeof member !== 'function') return member
      return (...args: readonly unknown[]): unknown =>
        instead(name, args) ?? Reflect.apply(member, target, args)
    },
  })
}

async function sign(signer: Signer, own: WebAlgorithm, asked: unknown, data: unknown): Promise<ArrayBuffer> {
  checkAlgorithm(signer, own, asked)
  const signature = await signer.sign(octets(data))
  const { namedCurve } = own
  return (
    namedCurve === undefined
      ? Uint8Array.from(signature)
      : joinedEcdsaSignature(signature, curveByName(namedCurve)?.octets ?? 0)
  ).buffer
}

function checkAlgorithm(signer: Signer, own: WebAlgorithm, asked: unknown): void {
  const { name, hash, saltLength } = (typeof asked === 'string' ? { name: asked } : (asked ?? {})) as Partial<
    Record<'name' | 'hash' | 'saltLength', unknown>
  >
  const same = (value: unknown, wanted: string | undefined): boolean =>
    typeof value === 'string' && value.toUpperCase() === wanted?.toUpperCase()
  const hashName = typeof hash === 'object' && hash !== null ? (hash as { name?: unknown }).name : hash
  // In WebCrypto an RSA key includes its hash, so callers need not repeat it. For ECDSA they must.
  const hashFits =
    own.hash === undefined ||
    same(hashName, own.hash.name) ||
    (hash === undefined && own.namedCurve === undefined)
  if (!same(name, own.name) || !hashFits || (own.saltLength !== undefined && saltLength !== own.saltLength)) {
    throw new PkiError(
      'ERR_ALGORITHM_MISMATCH',
      `key ${signer.id} signs with ${signer.signatureAlgorithm} only`,
    )
  }
}

function octets(data: unknown): Uint8Array {
  // A copy, as WebCrypto makes one: the caller may change its buffer while a token signs.
  if (ArrayBuffer.isView(data))
    return Uint8Array.from(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  if (data instanceof ArrayBuffer) return new Uint8Array(data.slice(0))
  throw new PkiError('ERR_INVALID_ARGUMENT', 'data must be an ArrayBuffer or a view of one')
}

/** The handle's properties are frozen copies; comparisons do not use them. */
function shown(algorithm: WebAlgorithm): WebAlgorithm {
  Object.freeze(algorithm.hash)
  return Object.freeze(algorithm)
}

interface WebAlgorithm {
  readonly name: string
  readonly namedCurve?: string
  readonly hash?: { readonly name: string }
  readonly saltLength?: number
  readonly modulusLength?: number
  readonly publicExponent?: Uint8Array
}

function webAlgorithm({ publicKey, signatureAlgorithm }: Signer): WebAlgorithm {
  const { hash, saltLength } = signatureAlgorithms[signatureAlgorithm]
  if (hash === undefined) return { name: signatureAlgorithm }
  const hashed = { hash: { name: hash.replace('sha', 'SHA-') } }
  const { algorithm = '', bits } = publicKey
  if (curveByName(algorithm) !== undefined) return { name: 'ECDSA', namedCurve: algorithm, ...hashed }
  const rsa = { modulusLength: bits, publicExponent: Uint8Array.of(1, 0, 1), ...hashed }
  return saltLength === undefined
    ? { name: 'RSASSA-PKCS1-v1_5', ...rsa }
    : { name: 'RSA-PSS', ...rsa, saltLength }
}
