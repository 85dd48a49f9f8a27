// The Cryptoki mechanism for each X.509 signature algorithm on a given token
// (PKCS #11 v3.0 §2.1 RSA, §2.3 EC and Edwards).

import { hash } from 'node:crypto'
import { PkiError } from '../../errors/index.ts'
import { keyAlgorithms } from '../../keys/internal.ts'
import type { KeyAlgorithm } from '../../keys/index.ts'
import { curveByName, curves, signatureAlgorithms } from '../../x509/internal.ts'
import type { PublicKey, SignatureAlgorithm } from '../../x509/index.ts'
import type { CurveName, HashName } from '../../x509/internal.ts'
import { ck, nameOfNumber } from './cryptoki/cryptoki.ts'
import type { Mechanism } from './cryptoki/cryptoki.ts'
import { ecdsaSignatureToDer } from './objects/ec-point.ts'

/** How one key creates one kind of signature. */
export interface SigningPlan {
  readonly mechanism: Mechanism
  /** The length of the token's output in octets. */
  readonly rawOctets: number
  /**
   * The input for the token: always a copy or a digest, because a native
   * thread reads it concurrently with JavaScript.
   */
  input(data: Uint8Array): Buffer
  /** Converts the token's output to X.509 form. @throws ERR_HSM_SIGNATURE */
  toX509(raw: Uint8Array): Uint8Array
}

/**
 * The plan for a key on a token that has these mechanisms.
 *
 * Tokens differ: SoftHSM 2.6 has no CKM_ECDSA_SHA256, cloud HSMs may have only the mechanisms that hash. If
 * both forms exist, ECDSA data is hashed here, so that at most 64 octets are sent to the token.
 *
 * @throws ERR_ALGORITHM_MISMATCH if the algorithm is not one of the key, ERR_ALGORITHM_UNSUPPORTED if the
 * token has no mechanism for it.
 */
export function signingPlan(
  algorithm: SignatureAlgorithm,
  key: PublicKey,
  mechanisms: ReadonlySet<number>,
): SigningPlan {
  const row = signatureAlgorithms[algorithm]
  const keyAlgorithm = key.algorithm
  if (keyAlgorithm === undefined || !row.keys.includes(keyAlgorithm)) {
    throw new PkiError(
      'ERR_ALGORITHM_MISMATCH',
      `a key of the type ${String(keyAlgorithm)} does not sign with ${algorithm}`,
    )
  }
  return choose(algorithm, mechanisms, plansOf(algorithm, keyAlgorithm, key.bits))
}

/** The plans in the order of preference. `bits` is the length of an RSA modulus. */
function plansOf(algorithm: SignatureAlgorithm, keyAlgorithm: string, bits: number): readonly SigningPlan[] {
  const { hash: hashName, saltLength } = signatureAlgorithms[algorithm]
  if (hashName === undefined)
    return [{ mechanism: { mechanism: ck.CKM_EDDSA }, rawOctets: 64, input: copy, toX509: sameOf(64) }]
  if (isCurve(keyAlgorithm)) return ecdsaPlans(keyAlgorithm, hashName)
  const rawOctets = bits >> 3
  return saltLength === undefined
    ? pkcs1Plans(hashName, rawOctets)
    : pssPlans(hashName, rawOctets, saltLength)
}

function choose(
  algorithm: SignatureAlgorithm,
  mechanisms: ReadonlySet<number>,
  plans: readonly SigningPlan[],
): SigningPlan {
  const plan = plans.find(({ mechanism }) => mechanisms.has(mechanism.mechanism))
  if (plan === undefined) throw noMechanism(algorithm, plans)
  return plan
}

function noMechanism(algorithm: SignatureAlgorithm, plans: readonly SigningPlan[]): PkiError {
  const wanted = plans.map(({ mechanism }) => nameOfNumber('CKM_', mechanism.mechanism)).join(' or ')
  return new PkiError(
    'ERR_ALGORITHM_UNSUPPORTED',
    `the token has no mechanism for ${algorithm}: C_GetMechanismList does not have ${wanted}; use a key of ` +
      'another algorithm',
  )
}

/**
 * Checks before a key is generated that the token can sign with it.
 * @throws ERR_ALGORITHM_UNSUPPORTED
 */
export function requireSigningMechanism(algorithm: KeyAlgorithm, mechanisms: ReadonlySet<number>): void {
  const signatureAlgorithm = keyAlgorithms[algorithm]
  const plans = plansOf(signatureAlgorithm, algorithm, Number(/\d{4}$/.exec(algorithm)?.[0] ?? 0))
  if (!plans.some(({ mechanism }) => mechanisms.has(mechanism.mechanism)))
    throw noMechanism(signatureAlgorithm, plans)
}

function ecdsaPlans(curve: CurveName, hashName: HashName): SigningPlan[] {
  const { octets: coordinateOctets } = curves[curve]
  const toX509 = (raw: Uint8Array): Uint8Array => ecdsaSignatureToDer(raw, coordinateOctets)
  const rawOctets = 2 * coordinateOctets
  return [
    { mechanism: { mechanism: ck.CKM_ECDSA }, rawOctets, input: (data) => digest(hashName, data), toX509 },
    { mechanism: { mechanism: hashes[hashName].ecdsa }, rawOctets, input: copy, toX509 },
  ]
}

function pkcs1Plans(hashName: HashName, rawOctets: number): SigningPlan[] {
  const prefix = Buffer.from(hashes[hashName].digestInfo, 'hex')
  const toX509 = sameOf(rawOctets)
  return [
    { mechanism: { mechanism: hashes[hashName].pkcs1 }, rawOctets, input: copy, toX509 },
    {
      mechanism: { mechanism: ck.CKM_RSA_PKCS },
      rawOctets,
      input: (data) => Buffer.concat([prefix, digest(hashName, data)]),
      toX509,
    },
  ]
}

function pssPlans(hashName: HashName, rawOctets: number, saltLen: number): SigningPlan[] {
  const { pss, digestMechanism, mgf } = hashes[hashName]
  const parameter = { type: ck.CK_PARAMS_RSA_PSS, hashAlg: digestMechanism, mgf, saltLen }
  const toX509 = sameOf(rawOctets)
  return [
    { mechanism: { mechanism: pss, parameter }, rawOctets, input: copy, toX509 },
    {
      mechanism: { mechanism: ck.CKM_RSA_PKCS_PSS, parameter },
      rawOctets,
      input: (data) => digest(hashName, data),
      toX509,
    },
  ]
}

/** CKM_ECDSA silently truncates data longer than the order, so the length is checked here. */
function digest(hashName: HashName, data: Uint8Array): Buffer {
  const value = hash(hashName, data, 'buffer')
  if (value.length !== hashes[hashName].octets)
    throw new PkiError('ERR_INTERNAL', `the ${hashName} digest has ${String(value.length)} octets`)
  return value
}

function copy(data: Uint8Array): Buffer {
  return Buffer.from(data)
}

function sameOf(octets: number): (raw: Uint8Array) => Uint8Array {
  return (raw) => {
    if (raw.length !== octets)
      throw new PkiError(
        'ERR_HSM_SIGNATURE',
        `the signature has ${String(raw.length)} octets; expected ${String(octets)}`,
      )
    return new Uint8Array(raw)
  }
}

function isCurve(name: string): name is CurveName {
  return curveByName(name) !== undefined
}

const hashes = {
  sha256: {
    octets: 32,
    ecdsa: ck.CKM_ECDSA_SHA256,
    pkcs1: ck.CKM_SHA256_RSA_PKCS,
    pss: ck.CKM_SHA256_RSA_PKCS_PSS,
    digestMechanism: ck.CKM_SHA256,
    mgf: ck.CKG_MGF1_SHA256,
    // RFC 8017 §9.2 note 1: DER of DigestInfo up to the digest.
    digestInfo: '3031300d060960864801650304020105000420',
  },
  sha384: {
    octets: 48,
    ecdsa: ck.CKM_ECDSA_SHA384,
    pkcs1: ck.CKM_SHA384_RSA_PKCS,
    pss: ck.CKM_SHA384_RSA_PKCS_PSS,
    digestMechanism: ck.CKM_SHA384,
    mgf: ck.CKG_MGF1_SHA384,
    digestInfo: '3041300d060960864801650304020205000430',
  },
  sha512: {
    octets: 64,
    ecdsa: ck.CKM_ECDSA_SHA512,
    pkcs1: ck.CKM_SHA512_RSA_PKCS,
    pss: ck.CKM_SHA512_RSA_PKCS_PSS,
    digestMechanism: ck.CKM_SHA512,
    mgf: ck.CKG_MGF1_SHA512,
    digestInfo: '3051300d060960864801650304020305000440',
  },
} as const
