// Key pairs as objects of a token: how they are asked for, found, judged and read. PKCS #11 v3.0 §4.

import { randomBytes } from 'node:crypto'
import { PkiError } from '../../errors/index.ts'
import { isKeyAlgorithm, keyAlgorithmOf } from '../../keys/index.ts'
import type { KeyAlgorithm } from '../../keys/index.ts'
import { PublicKey } from '../../x509/index.ts'
import { ck } from './cryptoki.ts'
import type { Attribute, Cryptoki, Handle } from './cryptoki.ts'
import { ecParameters, ecSpki, ed25519Spki, edwards25519Parameters, rsaSpki } from './ec-point.ts'
import type { CurveName } from './ec-point.ts'
import { ckr, returnValueOf } from './return-value.ts'

/** What CKA_ID says of a key that was made here. */
export interface KeyTag {
  readonly version: number
  readonly created: Date
  readonly algorithm: KeyAlgorithm
}

/** A private key in the token, without its secret. */
export interface KeyObject {
  readonly handle: Handle
  readonly label: string
  /** CKA_ID as found. */
  readonly objectId: Buffer
  /** Undefined for a key that somebody else put there. */
  readonly tag: KeyTag | undefined
}

/** CKA_ID of a key: version, time and algorithm, and enough randomness that two processes never choose the same. */
export function encodeTag({ version, created, algorithm }: KeyTag): Buffer {
  return Buffer.from(
    `spiffe-pki:${version}:${created.getTime()}:${algorithm}:${randomBytes(8).toString('hex')}`,
  )
}

function decodeTag(objectId: Buffer): KeyTag | undefined {
  const [, version, created, algorithm] =
    /^spiffe-pki:(\d{1,9}):(\d{1,15}):([A-Za-z0-9-]{1,16}):[0-9a-f]{16}$/.exec(objectId.toString('latin1')) ??
    []
  if (version === undefined || created === undefined || algorithm === undefined || !isKeyAlgorithm(algorithm))
    return undefined
  return { version: Number(version), created: new Date(Number(created)), algorithm }
}

export interface KeyPairTemplates {
  readonly mechanism: number
  readonly publicTemplate: readonly Attribute[]
  readonly privateTemplate: readonly Attribute[]
}

/** The mechanism and templates that make a key: sensitive, never extractable, for signing alone. */
export function keyPairTemplates(algorithm: KeyAlgorithm, label: string, objectId: Buffer): KeyPairTemplates {
  const kind = kindOf(algorithm)
  const common: Attribute[] = [
    { type: ck.CKA_KEY_TYPE, value: kind.keyType },
    { type: ck.CKA_TOKEN, value: true },
    { type: ck.CKA_ID, value: objectId },
    { type: ck.CKA_LABEL, value: label },
  ]
  return {
    mechanism: kind.mechanism,
    publicTemplate: [
      { type: ck.CKA_CLASS, value: ck.CKO_PUBLIC_KEY },
      ...common,
      { type: ck.CKA_PRIVATE, value: false },
      { type: ck.CKA_VERIFY, value: true },
      ...kind.parameters,
    ],
    privateTemplate: [
      { type: ck.CKA_CLASS, value: ck.CKO_PRIVATE_KEY },
      ...common,
      { type: ck.CKA_PRIVATE, value: true },
      { type: ck.CKA_SENSITIVE, value: true },
      { type: ck.CKA_EXTRACTABLE, value: false },
      { type: ck.CKA_SIGN, value: true },
      { type: ck.CKA_DECRYPT, value: false },
      { type: ck.CKA_DERIVE, value: false },
      { type: ck.CKA_UNWRAP, value: false },
    ],
  }
}

function kindOf(algorithm: KeyAlgorithm): {
  readonly keyType: number
  readonly mechanism: number
  readonly parameters: readonly Attribute[]
} {
  const bits = /^RSA-(?:PSS-)?(\d{4})$/.exec(algorithm)?.[1]
  if (bits !== undefined) {
    return {
      keyType: ck.CKK_RSA,
      mechanism: ck.CKM_RSA_PKCS_KEY_PAIR_GEN,
      parameters: [
        { type: ck.CKA_MODULUS_BITS, value: Number(bits) },
        { type: ck.CKA_PUBLIC_EXPONENT, value: Buffer.from('010001', 'hex') },
      ],
    }
  }
  if (algorithm === 'Ed25519') {
    const parameters = [{ type: ck.CKA_EC_PARAMS, value: edwards25519Parameters }]
    return { keyType: ck.CKK_EC_EDWARDS, mechanism: ck.CKM_EC_EDWARDS_KEY_PAIR_GEN, parameters }
  }
  return {
    keyType: ck.CKK_EC,
    mechanism: ck.CKM_EC_KEY_PAIR_GEN,
    parameters: [{ type: ck.CKA_EC_PARAMS, value: ecParameters(algorithm as CurveName) }],
  }
}

/** Every private key that fits the filter. */
export function findPrivateKeys(
  cryptoki: Cryptoki,
  session: Handle,
  filter: readonly Attribute[],
): readonly KeyObject[] {
  return findObjects(cryptoki, session, [
    { type: ck.CKA_CLASS, value: ck.CKO_PRIVATE_KEY },
    ...filter,
  ]).flatMap(
    (handle) =>
      unlessGone(() => {
        const [label, objectId] = attributes(cryptoki, session, handle, [ck.CKA_LABEL, ck.CKA_ID]) as [
          Buffer,
          Buffer,
        ]
        return { handle, label: label.toString('utf8'), objectId, tag: decodeTag(objectId) }
      }) ?? [],
  )
}

/** Handles and versions of the public keys that were made here under a label. They outlive the private key of a version that was destroyed. */
export function findPublicVersions(
  cryptoki: Cryptoki,
  session: Handle,
  label: string,
): readonly { readonly handle: Handle; readonly version: number }[] {
  return findObjects(cryptoki, session, [
    { type: ck.CKA_CLASS, value: ck.CKO_PUBLIC_KEY },
    { type: ck.CKA_LABEL, value: label },
  ]).flatMap((handle) => {
    const tag = unlessGone(() => decodeTag(attributes(cryptoki, session, handle, [ck.CKA_ID])[0] as Buffer))
    return tag === undefined ? [] : [{ handle, version: tag.version }]
  })
}

/** Undefined where another process destroyed the object since it was found. */
export function unlessGone<T>(use: () => T): T | undefined {
  try {
    return use()
  } catch (error) {
    if (returnValueOf(error) === ckr.OBJECT_HANDLE_INVALID) return undefined
    throw error
  }
}

/** Handles of every object that fits. */
export function findObjects(cryptoki: Cryptoki, session: Handle, template: readonly Attribute[]): Handle[] {
  cryptoki.C_FindObjectsInit(session, template)
  const found: Handle[] = []
  // Where it fails, the session is closed and the search with it; the first failure is the one that tells what is wrong.
  for (;;) {
    const batch = cryptoki.C_FindObjects(session, 32)
    found.push(...batch)
    if (batch.length < 32) break
    if (found.length > maxObjects)
      throw new PkiError('ERR_LIMIT_EXCEEDED', `more than ${maxObjects} objects in the token fit`)
  }
  cryptoki.C_FindObjectsFinal(session)
  return found
}

/**
 * The protection of a private key, read back: a token may ignore what it was asked for.
 *
 * @throws ERR_HSM_KEY_PROTECTION
 */
export function checkProtection(
  cryptoki: Cryptoki,
  session: Handle,
  handle: Handle,
  madeHere: boolean,
): void {
  const wanted: readonly (readonly [number, string, boolean])[] = [
    [ck.CKA_SENSITIVE, 'CKA_SENSITIVE', true],
    [ck.CKA_EXTRACTABLE, 'CKA_EXTRACTABLE', false],
    ...(madeHere ? whereItWasMade : []),
  ]
  const values = attributes(
    cryptoki,
    session,
    handle,
    wanted.map(([type]) => type),
  )
  wanted.forEach(([, name, value], at) => {
    // CK_BBOOL is one octet, 0 or 1 (PKCS #11 v3.0 §3): what is neither says nothing, and is not taken for the better of the two.
    const found = values[at]
    if (found?.length !== 1 || found[0] !== (value ? 1 : 0)) {
      const told = found?.subarray(0, 8).toString('hex') ?? 'absent'
      throw new PkiError(
        'ERR_HSM_KEY_PROTECTION',
        `the token says ${name} is ${told} for this key; ${String(value)} is wanted`,
      )
    }
  })
}

/**
 * The public half of a key pair, from the public object that has its CKA_ID.
 *
 * @throws ERR_HSM_KEY_AMBIGUOUS, ERR_KEY_NOT_FOUND, ERR_KEY_UNSUPPORTED, ERR_KEY_MALFORMED
 */
export function readPublicKey(cryptoki: Cryptoki, session: Handle, objectId: Buffer): PublicKey {
  const found = findObjects(cryptoki, session, [
    { type: ck.CKA_CLASS, value: ck.CKO_PUBLIC_KEY },
    { type: ck.CKA_ID, value: objectId },
  ])
  const [handle] = found
  if (handle === undefined)
    throw new PkiError('ERR_KEY_NOT_FOUND', 'the token has the private key and no public key of its CKA_ID')
  if (found.length > 1)
    throw new PkiError('ERR_HSM_KEY_AMBIGUOUS', `${found.length} public keys in the token have this CKA_ID`)
  const publicKey = PublicKey.from(readSpki(cryptoki, session, handle))
  // A point that is on no curve, a modulus of 0: now, not with the first signature.
  publicKey.keyObject()
  return publicKey
}

function readSpki(cryptoki: Cryptoki, session: Handle, handle: Handle): Uint8Array {
  const keyType = ulong(attributes(cryptoki, session, handle, [ck.CKA_KEY_TYPE])[0] as Buffer)
  if (keyType === ck.CKK_RSA) {
    const [modulus, exponent] = attributes(cryptoki, session, handle, [
      ck.CKA_MODULUS,
      ck.CKA_PUBLIC_EXPONENT,
    ]) as [Buffer, Buffer]
    return rsaSpki(modulus, exponent)
  }
  if (keyType !== ck.CKK_EC && keyType !== ck.CKK_EC_EDWARDS)
    throw new PkiError('ERR_KEY_UNSUPPORTED', `the token has a key of type 0x${keyType.toString(16)}`)
  const [parameters, point] = attributes(cryptoki, session, handle, [ck.CKA_EC_PARAMS, ck.CKA_EC_POINT]) as [
    Buffer,
    Buffer,
  ]
  return keyType === ck.CKK_EC_EDWARDS ? ed25519Spki(point) : ecSpki(parameters, point)
}

/**
 * The algorithm that a key signs with: what its tag says of the two ways of RSA, PKCS#1 v1.5 for a key that somebody else made. CKA_ID can be
 * written by whoever is logged in, so for the rest it is the key that counts.
 *
 * @throws ERR_ALGORITHM_MISMATCH for a tag that is of another key; ERR_KEY_WEAK, ERR_KEY_UNSUPPORTED
 */
export function algorithmOf(tag: KeyTag | undefined, publicKey: PublicKey): KeyAlgorithm {
  const algorithm = keyAlgorithmOf(publicKey, { pss: tag?.algorithm.startsWith('RSA-PSS') })
  if (tag === undefined || tag.algorithm === algorithm) return algorithm
  throw new PkiError(
    'ERR_ALGORITHM_MISMATCH',
    `the token has a key of ${algorithm} where its CKA_ID says ${tag.algorithm}`,
  )
}

function attributes(
  cryptoki: Cryptoki,
  session: Handle,
  handle: Handle,
  types: readonly number[],
): readonly Buffer[] {
  return cryptoki
    .C_GetAttributeValue(
      session,
      handle,
      types.map((type) => ({ type })),
    )
    .map(({ value }) => Buffer.from(value))
}

/** CK_ULONG of this machine, little-endian wherever PKCS #11 libraries run; types are small. @throws ERR_KEY_MALFORMED */
function ulong(value: Buffer): number {
  if (value.length < 4 || value.length > 8)
    throw new PkiError('ERR_KEY_MALFORMED', `the token gives a number of ${value.length} octets`)
  return value.readUInt32LE(0)
}

const whereItWasMade = [
  [ck.CKA_ALWAYS_SENSITIVE, 'CKA_ALWAYS_SENSITIVE', true],
  [ck.CKA_NEVER_EXTRACTABLE, 'CKA_NEVER_EXTRACTABLE', true],
  [ck.CKA_LOCAL, 'CKA_LOCAL', true],
] as const
const maxObjects = 10_000
