// What a certificate must be before it is signed: each rule by itself, over the exact bytes. Numbers as in the list of lints.

import { encodeOid, headerLength } from '../der/index.ts'
import { PkiError, isPkiError } from '../errors/index.ts'
import { equalBytes } from '../internal/bytes.ts'
import { isPresentedName, isWildcard } from '../internal/host-text.ts'
import { SpiffeId } from '../spiffe/index.ts'
import type { TrustDomain } from '../spiffe/index.ts'
import { extensionOids, keyPurposeOids, signatureAlgorithms } from '../x509/index.ts'
import type { Certificate, DistributionPoint, GeneralName, PublicKey } from '../x509/index.ts'
import type { CertificateProfile } from './certificate-profile.ts'
import { leafKeyUsage } from './certificate-profile.ts'

/** What a lint looks at. `certificate` has no valid signature yet. */
export interface LintInput {
  /** The certificate as it will be, or is, signed. */
  readonly certificate: Certificate
  /** The CA that signs it. */
  readonly issuer: Certificate
  /** The trust domain of the issuer, where its certificate names one. */
  readonly issuerTrustDomain: TrustDomain | undefined
  /** The key that was proven and judged; L12 holds the certificate to it. */
  readonly publicKey: PublicKey
  /** The names that were decided on: the certificate has these and no others. */
  readonly wantedNames: readonly GeneralName[]
  /** The template that it was made by. */
  readonly profile: CertificateProfile
  /** The time of the lint, in milliseconds since 1970. */
  readonly nowMs: number
}

/** The same with the names of the certificate, read once. */
export interface LintSubject extends LintInput {
  /** The subject alternative names that are in it. */
  readonly names: readonly GeneralName[]
  /** The SPIFFE ID of the only URI; undefined where it is not exactly one that fits the grammar. */
  readonly id: SpiffeId | undefined
}

/** One rule: what is wrong, or undefined. */
export interface CertificateLint {
  /** `L1` to `L34`, as docs/guides/ca.md counts them. */
  readonly id: string
  /** The clause behind it. */
  readonly clause: string
  /** What is wrong in words, or undefined. */
  readonly check: (input: LintSubject) => string | undefined
}

/**
 * Holds a leaf to every rule of `leafLints`.
 *
 * @throws ERR_LINT for the first rule that is broken: a fault of this package or of its configuration, never of a requester
 */
export function lintCertificate(input: LintInput): void {
  let running = leafLints[0] as CertificateLint
  try {
    const subject = lintSubject(input)
    for (const lint of leafLints) {
      running = lint
      const fault = lint.check(subject)
      if (fault !== undefined) throw new PkiError('ERR_LINT', `${lint.id} (${lint.clause}): ${fault}`)
    }
  } catch (cause) {
    if (isPkiError(cause, 'ERR_LINT')) throw cause
    throw new PkiError('ERR_LINT', `${running.id} (${running.clause}): the certificate cannot be read`, {
      cause,
    })
  }
}

function lintSubject({
  certificate,
  issuer,
  issuerTrustDomain,
  publicKey,
  wantedNames,
  profile,
  nowMs,
}: LintInput): LintSubject {
  const names = certificate.subjectAltName ?? []
  let uris = 0
  let uri = ''
  for (const name of names) {
    if (name.type !== 'uri') continue
    uris++
    uri = name.value
  }
  const id = uris === 1 ? SpiffeId.parse(uri) : undefined
  return { certificate, issuer, issuerTrustDomain, publicKey, wantedNames, profile, nowMs, names, id }
}

const hasKeyIdentifier = (found: Uint8Array | undefined, wanted: Uint8Array | undefined): boolean =>
  found !== undefined && wanted !== undefined && equalBytes(found, wanted)

/** Every lint of a leaf, cheap enough to run on each. */
export const leafLints: readonly CertificateLint[] = [
  {
    id: 'L1',
    clause: 'RFC 5280 §4.1.2.1',
    check: ({ certificate: { version } }) => (version === 3 ? undefined : `version ${version}`),
  },
  {
    id: 'L2',
    clause: 'RFC 5280 §4.1.2.2',
    check: ({ certificate: { serialNumberBytes: serial } }) =>
      serial.length >= 9 && serial.length <= 20 && (serial[0] as number) < 0x80
        ? undefined
        : `a serial number of ${serial.length} octets, or one that is not positive`,
  },
  { id: 'L3', clause: 'RFC 5280 §4.1.1.2', check: lintSignatureAlgorithm },
  {
    id: 'L4',
    clause: 'SP 800-131A',
    check: ({ publicKey, issuer }) =>
      isWeak(publicKey) || isWeak(issuer.publicKey)
        ? 'a key that is too weak, or of no kind that is certified here'
        : undefined,
  },
  {
    id: 'L5',
    clause: 'RFC 5280 §4.1.2.4',
    check: ({ certificate, issuer }) =>
      !issuer.subject.isEmpty && equalBytes(certificate.issuer.der, issuer.subject.der)
        ? undefined
        : "the issuer is not the CA certificate's subject",
  },
  { id: 'L6', clause: 'RFC 5280 §4.1.2.5', check: lintValidityNesting },
  { id: 'L7', clause: 'RFC 5280 §4.1.2.5', check: lintValidityLength },
  { id: 'L8', clause: 'RFC 5280 §4.1.2.5', check: lintTimeForm },
  {
    id: 'L9',
    clause: 'RFC 5280 §4.1.2.8',
    check: ({ certificate }) => (certificate.hasUniqueIdentifiers ? 'a unique identifier' : undefined),
  },
  {
    id: 'L10',
    clause: 'RFC 5280 §4.2',
    check: ({ certificate }) => {
      // The values that no other lint reads; what is malformed throws.
      void certificate.authorityInfoAccess
      void certificate.crlDistributionPoints
      return certificate.extensions.length === 0 ? 'no extension at all' : undefined
    },
  },
  {
    id: 'L11',
    clause: 'RFC 5280 §4.2',
    check: ({ certificate }) => certificate.extensions.find(({ oid }) => !leafExtensions.has(oid))?.oid,
  },
  {
    id: 'L12',
    clause: 'RFC 5280 §4.1.2.7',
    check: ({ certificate, publicKey }) =>
      certificate.publicKey.equals(publicKey) ? undefined : 'the key is not the one of the request',
  },
  {
    id: 'L13',
    clause: 'SP 800-57 §5.2',
    check: ({ certificate, issuer }) =>
      certificate.publicKey.equals(issuer.publicKey) ? "the key is the CA's own" : undefined,
  },
  {
    id: 'L14',
    clause: 'RFC 5280 §4.2.1.9',
    check: ({ certificate }) =>
      certificate.basicConstraints?.ca === false &&
      certificate.basicConstraints.pathLength === undefined &&
      certificate.extension(extensionOids.basicConstraints)?.critical === true
        ? undefined
        : 'basic constraints are not a critical "no CA"',
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
        : 'key usage of a leaf is wanted',
  },
  {
    id: 'L17',
    clause: 'RFC 8813 §3, RFC 3279 §2.3.1',
    check: ({ certificate: { keyUsage }, publicKey }) => {
      const wanted = leafKeyUsage(publicKey.algorithm)
      return keyUsage?.names.length === wanted.length && wanted.every((name) => keyUsage.has(name))
        ? undefined
        : 'key usage does not fit the key'
    },
  },
  { id: 'L18', clause: 'X-10', check: lintExtendedKeyUsage },
  {
    id: 'L19',
    clause: 'RFC 5280 §4.2.1.12',
    check: ({ certificate: { extendedKeyUsage, keyUsage } }) =>
      extendedKeyUsage === undefined || keyUsage?.has('digitalSignature') === true
        ? undefined
        : 'purposes that the key usage does not allow',
  },
  {
    id: 'L20',
    clause: 'RFC 5280 §4.2.1.6, X-3',
    check: ({ certificate }) => {
      const extension = certificate.extension(extensionOids.subjectAltName)
      if (extension === undefined) return 'no subject alternative name'
      return certificate.subject.isEmpty && !extension.critical
        ? 'not critical beside an empty subject'
        : undefined
    },
  },
  {
    id: 'L21',
    clause: 'X-1',
    check: ({ id }) => (id === undefined ? 'one URI is wanted, and no other' : undefined),
  },
  {
    id: 'L22',
    clause: 'ID-1 to ID-7, X-2',
    check: ({ id }) => (id?.hasPath === true ? undefined : 'the URI is no SPIFFE ID of a workload'),
  },
  {
    id: 'L23',
    clause: 'X-4',
    check: ({ id, issuerTrustDomain }) =>
      issuerTrustDomain === undefined || id?.memberOf(issuerTrustDomain) === true
        ? undefined
        : `the identity is not of the CA's trust domain ${issuerTrustDomain.name}`,
  },
  {
    id: 'L24',
    clause: 'invariant I5',
    check: ({ names, wantedNames }) =>
      names.length === wantedNames.length && names.every((name, at) => sameName(name, wantedNames[at]))
        ? undefined
        : 'the names are not those that were decided on',
  },
  {
    id: 'L25',
    clause: 'RFC 5280 §4.2.1.6',
    check: ({ names }) => {
      if (!names.some(({ type }) => type === 'dns')) return undefined
      const hosts = names.flatMap((name) => (name.type === 'dns' ? [name.value] : []))
      if (new Set(hosts).size !== hosts.length) return 'a DNS name twice'
      return hosts.every(isDnsName) ? undefined : 'a DNS name that is malformed'
    },
  },
  {
    id: 'L26',
    clause: 'RFC 5280 §4.2.1.6',
    check: ({ names }) => {
      const bad = names.find(({ type }) => type !== 'uri' && type !== 'dns' && type !== 'ip')
      return bad === undefined ? undefined : `a name of type ${bad.type}`
    },
  },
  {
    id: 'L27',
    clause: 'profile',
    check: ({ certificate, names, profile }) =>
      names.length <= profile.maximumNames && certificate.der.length <= maximumOctets
        ? undefined
        : `${names.length} names, ${certificate.der.length} octets`,
  },
  { id: 'L28', clause: 'RFC 5280 §4.1.2.6', check: lintSubjectName },
  {
    id: 'L29',
    clause: 'RFC 5280 §4.2.1.1',
    check: ({ certificate, issuer }) => {
      const found = certificate.authorityKeyIdentifier
      const fits =
        found?.issuer === undefined && hasKeyIdentifier(found?.keyIdentifier, issuer.subjectKeyIdentifier)
      return fits && certificate.extension(extensionOids.authorityKeyIdentifier)?.critical === false
        ? undefined
        : "the authority key identifier is not the CA's key identifier alone, or critical"
    },
  },
  {
    id: 'L30',
    clause: 'RFC 5280 §4.2.1.2',
    check: ({ certificate }) =>
      certificate.subjectKeyIdentifier?.length === 20 &&
      certificate.extension(extensionOids.subjectKeyIdentifier)?.critical === false
        ? undefined
        : 'no subject key identifier of 20 octets, or a critical one',
  },
  {
    id: 'L31',
    clause: 'RFC 5280 §4.2.1.10',
    check: ({ certificate }) => certificate.extensions.find(({ oid }) => caExtensions.has(oid))?.oid,
  },
  { id: 'L32', clause: 'RFC 5280 §4.2.1.13, §4.2.2.1', check: lintLocations },
  { id: 'L34', clause: 'X.690 §10.1', check: lintLength },
]

const isWeak = ({ algorithm, bits }: PublicKey): boolean =>
  algorithm === undefined || (algorithm === 'RSA' && bits < 2048)

/** Inner and outer identifier are the same (the parser sees to it); this one is the table's, parameters included. */
function lintSignatureAlgorithm({ certificate: { signatureAlgorithm } }: LintInput): string | undefined {
  const name = signatureAlgorithm.signatureAlgorithm
  return name !== undefined && equalBytes(signatureAlgorithm.der, signatureAlgorithms[name].identifier)
    ? undefined
    : `signature algorithm ${signatureAlgorithm.oid}, or its parameters`
}

/**
 * UTCTime before 2050, GeneralizedTime after; their form is the parser's. UTCTime cannot say 2050, so each time of the wrong form makes the
 * validity, which is what issuer and subject have between them, two octets longer than it should be.
 */
function lintTimeForm({
  certificate: { issuer, subject, notBeforeMs, notAfterMs },
}: LintInput): string | undefined {
  const found = subject.der.byteOffset - issuer.der.byteOffset - issuer.der.length
  return found === elementLength(timeLength(notBeforeMs) + timeLength(notAfterMs))
    ? undefined
    : 'a time of the form of another century'
}

/** The lengths that DER gives to the parts add up to what is there: nothing is padded, spelled out or in between. The parts are other lints'. */
function lintLength({ certificate }: LintInput): string | undefined {
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
    : `${der.length} octets where ${whole} are enough`
}

function elementLength(content: number): number {
  return headerLength(content) + content
}

function timeLength(ms: number): number {
  return ms < year2050 ? 15 : 17
}

function lintSubjectName({ certificate: { subject } }: LintInput): string | undefined {
  if (subject.isEmpty) return undefined
  for (const rdn of subject.rdns) {
    if (rdn.length !== 1) return 'a relative name with several attributes'
    const [attribute] = rdn
    if (attribute?.value === undefined || attribute.value.length === 0 || attribute.value.length > 64)
      return 'a value that is no text of 1 to 64 characters'
    for (let at = 0; at < attribute.value.length; at++)
      if (attribute.value.charCodeAt(at) < 0x20 || attribute.value.charCodeAt(at) === 0x7f)
        return 'a control character in the subject'
  }
  return undefined
}

function lintLocations({ certificate }: LintInput): string | undefined {
  for (const oid of [extensionOids.crlDistributionPoints, extensionOids.authorityInfoAccess])
    if (certificate.extension(oid)?.critical === true) return `extension ${oid} is critical`
  for (const { name } of certificate.crlDistributionPoints ?? noPoints) {
    if (
      name === undefined ||
      !('fullName' in name) ||
      name.fullName.some((one) => one.type !== 'uri' || !/^https?:\/\//.test(one.value))
    )
      return 'a distribution point that is no HTTP address'
  }
  return undefined
}

function sameName(a: GeneralName, b: GeneralName | undefined): boolean {
  if (a.type !== b?.type) return false
  if (a.type === 'ip' && b.type === 'ip') return equalBytes(a.address, b.address)
  return (a.type === 'uri' || a.type === 'dns') && 'value' in b && a.value === b.value
}

function lintValidityNesting({ certificate, issuer }: LintInput): string | undefined {
  if (certificate.notBeforeMs >= certificate.notAfterMs) return 'the validity is empty'
  return certificate.notBeforeMs >= issuer.notBeforeMs && certificate.notAfterMs <= issuer.notAfterMs
    ? undefined
    : "the validity reaches beyond the CA's"
}

function lintValidityLength({ certificate, profile, nowMs }: LintInput): string | undefined {
  // Both ends belong to the validity: RFC 5280 §4.1.2.5.
  const seconds = (certificate.notAfterMs - certificate.notBeforeMs) / 1000 + 1
  if (seconds > profile.maximumTtlSeconds + profile.backdateSeconds + 1) return `${seconds} s of validity`
  return certificate.notBeforeMs <= nowMs &&
    certificate.notBeforeMs >= nowMs - (profile.backdateSeconds + 1) * 1000
    ? undefined
    : 'notBefore is not where the profile puts it'
}

function lintExtendedKeyUsage({ certificate, profile }: LintInput): string | undefined {
  const found = certificate.extendedKeyUsage
  if (profile.extendedKeyUsage.length === 0)
    return found === undefined ? undefined : 'purposes that the profile does not have'
  const same =
    found?.length === profile.extendedKeyUsage.length &&
    profile.extendedKeyUsage.every((purpose) => found.includes(purpose))
  return same && !found.includes(keyPurposeOids.any) ? undefined : "the purposes are not the profile's"
}

/**
 * L25: what a CA writes as a dNSName, which is less than a verifier reads. A host name (RFC 1034 §3.5, RFC 1123 §2.1) or a wildcard over at
 * least two labels (RFC 9525 §6.3, BR 3.2.2.6), for no verifier here takes another; and in lower case: all spellings are one name
 * (RFC 4343), so it has one here, or it could be in a certificate twice.
 */
export function isDnsName(name: string): boolean {
  return isPresentedName(name) && name === name.toLowerCase() && (!name.startsWith('*.') || isWildcard(name))
}

const maximumOctets = 8 * 1024
/** [0] { INTEGER 2 } */
const versionLength = 5
const year2050 = Date.UTC(2050, 0)
const noPoints: readonly DistributionPoint[] = []
/** What only CAs have; L11 leaves them out already. */
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
