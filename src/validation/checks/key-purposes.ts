// Key usage and extended key usage (RFC 5280 §4.2.1.3, §4.2.1.12), nested
// through CAs as in the web PKI (BR 7.1.2.10.6).

import { PkiError } from '../../errors/index.ts'
import { keyPurposeOids } from '../../x509/index.ts'
import type { Certificate } from '../../x509/index.ts'
import type { KeyUsageName } from '../../x509/internal.ts'
import type { ValidationProfile } from '../profile.ts'
import { reject } from '../verdict/rejection.ts'
import type { Rejection } from '../verdict/rejection.ts'

/** A purpose by its short name or object identifier. @inline */
export type KeyPurpose = keyof typeof keyPurposeOids | (string & {})

/** The object identifier of a purpose. @throws ERR_INVALID_ARGUMENT */
function keyPurposeOid(purpose: KeyPurpose): string {
  if (Object.hasOwn(keyPurposeOids, purpose)) return keyPurposeOids[purpose as keyof typeof keyPurposeOids]
  if (typeof purpose === 'string' && /^[0-2](\.\d+)+$/.test(purpose)) return purpose
  throw new PkiError(
    'ERR_INVALID_ARGUMENT',
    `${JSON.stringify(purpose)} is neither the name of a key purpose nor an object identifier`,
  )
}

/** The object identifiers of one purpose or several. @throws ERR_INVALID_ARGUMENT */
export function purposeOids(wanted: KeyPurpose | readonly KeyPurpose[] | undefined): readonly string[] {
  if (wanted === undefined) return noPurposes
  return Array.isArray(wanted)
    ? (wanted as readonly KeyPurpose[]).map(keyPurposeOid)
    : [keyPurposeOid(wanted as KeyPurpose)]
}

const noPurposes: readonly string[] = []

/** The leaf must allow every requested purpose (object identifiers). */
export function checkLeafPurpose(
  leaf: Certificate,
  wanted: readonly string[],
  profile: ValidationProfile,
): Rejection | undefined {
  const found = leaf.extendedKeyUsage
  if (found === undefined) {
    if (!profile.requireExtendedKeyUsage) return checkConsistent(leaf, wanted)
    return reject(
      'ERR_PATH_EXTENDED_KEY_USAGE',
      `profile ${profile.name}: extended key usage`,
      'extended key usage is missing',
      leaf,
    )
  }
  return checkPurpose(leaf, found, wanted, profile.acceptAnyExtendedKeyUsage) ?? checkConsistent(leaf, wanted)
}

/**
 * An extended key usage of a CA restricts certificates below it; anyExtendedKeyUsage allows every purpose.
 */
export function checkNestedPurpose(issuer: Certificate, wanted: readonly string[]): Rejection | undefined {
  const found = issuer.extendedKeyUsage
  return found === undefined ? undefined : checkPurpose(issuer, found, wanted, true)
}

/** The key usage of the leaf, if present, must have all of these. */
export function checkLeafKeyUsage(leaf: Certificate, wanted: readonly KeyUsageName[]): Rejection | undefined {
  const { keyUsage } = leaf
  if (keyUsage === undefined) return undefined
  for (const usage of wanted) {
    if (keyUsage.has(usage)) continue
    return reject(
      'ERR_PATH_KEY_USAGE',
      'RFC 5280 §4.2.1.3',
      `key usage is ${keyUsage.toString()}, expected ${usage}`,
      leaf,
    )
  }
  return undefined
}

/**
 * §4.2.1.12: "the certificate MUST only be used for a purpose consistent
 * with both" extensions. Not checked for a CA in place of the leaf.
 */
function checkConsistent(leaf: Certificate, wanted: readonly string[]): Rejection | undefined {
  const { keyUsage } = leaf
  if (keyUsage === undefined || leaf.basicConstraints?.ca === true) return undefined
  for (const purpose of wanted) {
    const usages = consistent[purpose]
    if (usages === undefined || usages.some((usage) => keyUsage.has(usage))) continue
    return reject(
      'ERR_PATH_KEY_USAGE',
      'RFC 5280 §4.2.1.12',
      `key usage is ${keyUsage.toString()}, expected one of ${usages.join(', ')} for ${purpose}`,
      leaf,
    )
  }
  return undefined
}

/** "Key usage bits that may be consistent" with each purpose. */
const consistent: Readonly<Record<string, readonly KeyUsageName[] | undefined>> = {
  [keyPurposeOids.serverAuth]: ['digitalSignature', 'keyEncipherment', 'keyAgreement'],
  [keyPurposeOids.clientAuth]: ['digitalSignature', 'keyAgreement'],
  [keyPurposeOids.codeSigning]: ['digitalSignature'],
  [keyPurposeOids.emailProtection]: [
    'digitalSignature',
    'contentCommitment',
    'keyEncipherment',
    'keyAgreement',
  ],
  [keyPurposeOids.timeStamping]: ['digitalSignature', 'contentCommitment'],
  [keyPurposeOids.ocspSigning]: ['digitalSignature', 'contentCommitment'],
}

function checkPurpose(
  certificate: Certificate,
  found: readonly string[],
  wanted: readonly string[],
  anyWillDo: boolean,
): Rejection | undefined {
  for (const purpose of wanted) {
    if (found.includes(purpose) || (anyWillDo && found.includes(keyPurposeOids.any))) continue
    return reject(
      'ERR_PATH_EXTENDED_KEY_USAGE',
      'RFC 5280 §4.2.1.12',
      `extended key usage is ${found.join(', ')}, expected ${purpose}`,
      certificate,
    )
  }
  return undefined
}
