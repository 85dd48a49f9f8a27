// Lints over the extensions of a leaf, and over the length of its encoding.

import { encodeOid } from '../../der/index.ts'
import { equalBytes } from '../../internal/bytes.ts'
import { extensionOids, keyPurposeOids } from '../../x509/index.ts'
import type { DistributionPoint } from '../../x509/internal.ts'
import { leafKeyUsage } from '../profile/certificate-profile.ts'
import { elementLength, timeLength } from './leaf-field-lints.ts'
import type { LeafSubject } from './leaf-subject.ts'
import type { Lint } from './run-lints.ts'

/** L10, L11, L14 to L19 and L29 to L34. The issuer checks L33, because it has the chain above. */
export const leafExtensionLints: readonly Lint<LeafSubject>[] = Object.freeze([
  {
    id: 'L10',
    clause: 'RFC 5280 §4.2',
    check: ({ certificate }) => {
      // Decodes the values that no other lint reads; throws for a malformed one.
      void certificate.authorityInfoAccess
      void certificate.crlDistributionPoints
      return certificate.extensions.length === 0 ? 'the certificate has no extensions' : undefined
    },
  },
  {
    id: 'L11',
    clause: 'RFC 5280 §4.2',
    check: ({ certificate }) => certificate.extensions.find(({ oid }) => !leafExtensions.has(oid))?.oid,
  },
  {
    id: 'L14',
    clause: 'RFC 5280 §4.2.1.9',
    check: ({ certificate }) =>
      certificate.basicConstraints?.ca === false &&
      certificate.basicConstraints.pathLength === undefined &&
      certificate.extension(extensionOids.basicConstraints)?.critical === true
        ? undefined
        : 'basic constraints are not critical with cA FALSE',
  },
  {
    id: 'L15',
    clause: 'RFC 5280 §4.2.1.3, X-8',
    check: ({ certificate }) =>
      certificate.extension(extensionOids.keyUsage)?.critical === true
        ? undefined
        : 'key usage is absent or not critical',
  },
  {
    id: 'L16',
    clause: 'X-9',
    check: ({ certificate: { keyUsage } }) =>
      keyUsage?.has('digitalSignature') === true && !keyUsage.has('keyCertSign') && !keyUsage.has('cRLSign')
        ? undefined
        : 'key usage is missing',
  },
  {
    id: 'L17',
    clause: 'RFC 8813 §3, RFC 3279 §2.3.1',
    check: ({ certificate: { keyUsage }, publicKey }) => {
      const wanted = leafKeyUsage(publicKey.algorithm)
      return keyUsage?.names.length === wanted.length && wanted.every((name) => keyUsage.has(name))
        ? undefined
        : 'the key usage is not valid for the type of the key'
    },
  },
  { id: 'L18', clause: 'X-10', check: lintExtendedKeyUsage },
  {
    id: 'L19',
    clause: 'RFC 5280 §4.2.1.12',
    check: ({ certificate: { extendedKeyUsage, keyUsage } }) =>
      extendedKeyUsage === undefined || keyUsage?.has('digitalSignature') === true
        ? undefined
        : 'the key usage does not allow the extended key usages',
  },
  {
    id: 'L29',
    clause: 'RFC 5280 §4.2.1.1',
    check: ({ certificate, issuer }) => {
      const found = certificate.authorityKeyIdentifier
      const fits =
        found?.issuer === undefined && hasKeyIdentifier(found?.keyIdentifier, issuer.subjectKeyIdentifier)
      return fits && certificate.extension(extensionOids.authorityKeyIdentifier)?.critical === false
        ? undefined
        : "the authority key identifier is critical or not exactly the CA's key identifier"
    },
  },
  {
    id: 'L30',
    clause: 'RFC 5280 §4.2.1.2',
    check: ({ certificate }) =>
      certificate.subjectKeyIdentifier?.length === 20 &&
      certificate.extension(extensionOids.subjectKeyIdentifier)?.critical === false
        ? undefined
        : 'the subject key identifier is missing, critical, or not 20 octets long',
  },
  {
    id: 'L31',
    clause: 'RFC 5280 §4.2.1.10',
    check: ({ certificate }) => certificate.extensions.find(({ oid }) => caExtensions.has(oid))?.oid,
  },
  { id: 'L32', clause: 'RFC 5280 §4.2.1.13, §4.2.2.1', check: lintLocations },
  { id: 'L34', clause: 'X.690 §10.1', check: lintLength },
])

const hasKeyIdentifier = (found: Uint8Array | undefined, wanted: Uint8Array | undefined): boolean =>
  found !== undefined && wanted !== undefined && equalBytes(found, wanted)

function lintExtendedKeyUsage({ certificate, profile }: LeafSubject): string | undefined {
  const found = certificate.extendedKeyUsage
  if (profile.extendedKeyUsage.length === 0)
    return found === undefined ? undefined : 'extended key usage has purposes that are not in the profile'
  const same =
    found?.length === profile.extendedKeyUsage.length &&
    profile.extendedKeyUsage.every((purpose) => found.includes(purpose))
  return same && !found.includes(keyPurposeOids.any)
    ? undefined
    : "extended key usage differs from the profile's"
}

function lintLocations({ certificate }: LeafSubject): string | undefined {
  for (const oid of [extensionOids.crlDistributionPoints, extensionOids.authorityInfoAccess])
    if (certificate.extension(oid)?.critical === true) return `extension ${oid} is critical`
  for (const { name } of certificate.crlDistributionPoints ?? noPoints) {
    if (
      name === undefined ||
      !('fullName' in name) ||
      name.fullName.some((one) => one.type !== 'uri' || !/^https?:\/\//.test(one.value))
    )
      return 'a distribution point is not an HTTP URI'
  }
  return undefined
}

/**
 * The lengths of the parts must add up to the total: no padding, no encoded defaults, nothing in between.
 * Other lints check the parts.
 */
function lintLength({ certificate }: LeafSubject): string | undefined {
  const {
    der,
    tbs,
    serialNumberBytes,
    signature,
    issuer,
    subject,
    publicKey,
    extensions,
    notBeforeMs,
    notAfterMs,
  } = certificate
  const algorithm = certificate.signatureAlgorithm.der.length
  let list = 0
  for (const { oid, critical, value } of extensions) {
    const id = oid.startsWith('2.5.29.') ? 3 : encodeOid(oid).length
    list += elementLength(elementLength(id) + (critical ? 3 : 0) + elementLength(value.length))
  }
  const content =
    versionLength +
    elementLength(serialNumberBytes.length) +
    algorithm +
    issuer.der.length +
    elementLength(timeLength(notBeforeMs) + timeLength(notAfterMs)) +
    subject.der.length +
    publicKey.spki.length +
    (list === 0 ? 0 : elementLength(elementLength(list)))
  const whole = elementLength(elementLength(content) + algorithm + elementLength(1 + signature.length))
  return elementLength(content) === tbs.length && whole === der.length
    ? undefined
    : `the DER has ${der.length} octets; expected ${whole}`
}

/** [0] { INTEGER 2 } */
const versionLength = 5

const noPoints: readonly DistributionPoint[] = []

/** Extensions of CAs only; L11 excludes them already. */
const caExtensions: ReadonlySet<string> = new Set([
  extensionOids.nameConstraints,
  extensionOids.policyMappings,
  extensionOids.policyConstraints,
  extensionOids.inhibitAnyPolicy,
])

const leafExtensions: ReadonlySet<string> = new Set([
  extensionOids.authorityKeyIdentifier,
  extensionOids.subjectKeyIdentifier,
  extensionOids.keyUsage,
  extensionOids.subjectAltName,
  extensionOids.basicConstraints,
  extensionOids.extendedKeyUsage,
  extensionOids.crlDistributionPoints,
  extensionOids.authorityInfoAccess,
])
