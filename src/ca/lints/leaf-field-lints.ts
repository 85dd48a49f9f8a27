// Lints over the fields of a leaf: version, serial number, algorithm, key, issuer, validity.

import { headerLength } from '../../der/index.ts'
import { equalBytes } from '../../internal/bytes.ts'
import { signatureAlgorithms } from '../../x509/internal.ts'
import type { PublicKey } from '../../x509/index.ts'
import type { LeafSubject } from './leaf-subject.ts'
import type { Lint } from './run-lints.ts'

/** L1 to L9, L12 and L13. */
export const leafFieldLints: readonly Lint<LeafSubject>[] = Object.freeze([
  {
    id: 'L1',
    clause: 'RFC 5280 §4.1.2.1',
    check: ({ certificate: { version } }) => (version === 3 ? undefined : `it has version ${version}, not 3`),
  },
  {
    id: 'L2',
    clause: 'RFC 5280 §4.1.2.2',
    check: ({ certificate: { serialNumberBytes: serial } }) =>
      serial.length >= 9 && serial.length <= 20 && (serial[0] as number) < 0x80
        ? undefined
        : `the serial number has ${serial.length} octets or is not positive`,
  },
  { id: 'L3', clause: 'RFC 5280 §4.1.1.2', check: lintSignatureAlgorithm },
  {
    id: 'L4',
    clause: 'SP 800-131A',
    check: ({ publicKey, issuer }) =>
      isWeak(publicKey) || isWeak(issuer.publicKey)
        ? 'the key is too weak, or its type is not supported'
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
    check: ({ certificate }) => (certificate.hasUniqueIdentifiers ? 'it has a unique identifier' : undefined),
  },
  {
    id: 'L12',
    clause: 'RFC 5280 §4.1.2.7',
    check: ({ certificate, publicKey }) =>
      certificate.publicKey.equals(publicKey) ? undefined : 'the key differs from the key of the request',
  },
  {
    id: 'L13',
    clause: 'SP 800-57 §5.2',
    check: ({ certificate, issuer }) =>
      certificate.publicKey.equals(issuer.publicKey) ? "the key is the CA's own key" : undefined,
  },
])

const isWeak = ({ algorithm, bits }: PublicKey): boolean =>
  algorithm === undefined || (algorithm === 'RSA' && bits < 2048)

/**
 * The parser guarantees that the inner and outer identifier are equal; this
 * one must be in the table, parameters included.
 */
function lintSignatureAlgorithm({ certificate: { signatureAlgorithm } }: LeafSubject): string | undefined {
  const name = signatureAlgorithm.signatureAlgorithm
  return name !== undefined && equalBytes(signatureAlgorithm.der, signatureAlgorithms[name].identifier)
    ? undefined
    : `the signature algorithm ${signatureAlgorithm.oid} or its parameters do not match the CA's key`
}

/**
 * UTCTime before 2050, GeneralizedTime after. The parser accepts both forms. UTCTime
 * cannot express 2050, so each time in the wrong form makes the validity, which lies
 * between issuer and subject, two octets longer than expected.
 */
function lintTimeForm({
  certificate: { issuer, subject, notBeforeMs, notAfterMs },
}: LeafSubject): string | undefined {
  const found = subject.der.byteOffset - issuer.der.byteOffset - issuer.der.length
  return found === elementLength(timeLength(notBeforeMs) + timeLength(notAfterMs))
    ? undefined
    : 'a time is not encoded as UTCTime until 2049 and GeneralizedTime from 2050'
}

function lintValidityNesting({ certificate, issuer }: LeafSubject): string | undefined {
  if (certificate.notBeforeMs >= certificate.notAfterMs) return 'the validity is empty'
  return certificate.notBeforeMs >= issuer.notBeforeMs && certificate.notAfterMs <= issuer.notAfterMs
    ? undefined
    : 'the validity is not within that of the CA certificate'
}

function lintValidityLength({ certificate, profile, nowMs }: LeafSubject): string | undefined {
  // Both ends are inclusive: RFC 5280 §4.1.2.5.
  const seconds = (certificate.notAfterMs - certificate.notBeforeMs) / 1000 + 1
  const maxSeconds = profile.maxTtlSeconds + profile.backdateSeconds + 1
  if (seconds > maxSeconds)
    return `the validity is ${seconds} s; the maximum of the profile is ${maxSeconds} s`
  return certificate.notBeforeMs <= nowMs &&
    certificate.notBeforeMs >= nowMs - (profile.backdateSeconds + 1) * 1000
    ? undefined
    : 'notBefore differs from that of the profile'
}

export function elementLength(content: number): number {
  return headerLength(content) + content
}

export function timeLength(ms: number): number {
  return ms < year2050 ? 15 : 17
}

const year2050 = Date.UTC(2050, 0)
