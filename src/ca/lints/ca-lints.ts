// Lints for CA certificates before they are returned, numbered as in docs/guides/ca.md.

import { equalBytes } from '../../internal/bytes.ts'
import { TrustDomain } from '../../spiffe/index.ts'
import { extensionOids } from '../../x509/index.ts'
import { assembleSigned, encodeTbsCertificate } from '../../x509/internal.ts'
import type { Certificate } from '../../x509/index.ts'
import type { Lint } from './run-lints.ts'

/** The input of a lint of a CA certificate. */
export interface CaLintInput {
  /** The CA certificate that was just signed. */
  readonly certificate: Certificate
  /** The issuer's certificate; the certificate itself if self-signed. */
  readonly issuer: Certificate
  /** For a cross-certificate: the certificate that its CA already has. */
  readonly existing?: Certificate | undefined
}

/** Lints for new roots, intermediates and cross-certificates. */
export const caLints: readonly Lint<CaLintInput>[] = Object.freeze([
  {
    id: 'L9',
    clause: 'RFC 5280 §4.1.2.8',
    check: ({ certificate }) => (certificate.hasUniqueIdentifiers ? 'it has a unique identifier' : undefined),
  },
  { id: 'L34', clause: 'X.690 §10', check: lintEncoding },
  {
    id: 'L36',
    clause: 'RFC 5280 §4.2.1.9',
    check: ({ certificate, issuer }) => {
      if (
        certificate.basicConstraints?.ca !== true ||
        certificate.extension(extensionOids.basicConstraints)?.critical !== true
      )
        return 'basic constraints are not critical, or cA is not TRUE'
      return certificate !== issuer && certificate.basicConstraints.pathLength === undefined
        ? 'the intermediate has no path length constraint'
        : undefined
    },
  },
  {
    id: 'L37',
    clause: 'RFC 5280 §4.2.1.3, X-9',
    check: ({ certificate: { keyUsage }, certificate }) => {
      const exact = keyUsage?.names.length === 2 && keyUsage.has('keyCertSign') && keyUsage.has('cRLSign')
      return exact && certificate.extension(extensionOids.keyUsage)?.critical === true
        ? undefined
        : 'key usage is not critical, or not exactly keyCertSign and cRLSign'
    },
  },
  {
    id: 'L38',
    clause: 'RFC 5280 §4.1.2.6, §4.2.1.2',
    check: ({ certificate, issuer }) => {
      if (certificate.subjectKeyIdentifier === undefined || certificate.subject.isEmpty)
        return 'the subject key identifier or the subject is missing'
      return equalBytes(certificate.issuer.der, issuer.subject.der) &&
        certificate.verifySignatureBy(issuer.publicKey)
        ? undefined
        : 'the signature does not verify with the key of its issuer'
    },
  },
  {
    id: 'L39',
    clause: 'X-4, ID-11',
    check: ({ certificate }) => {
      for (const name of certificate.subjectAltName ?? []) {
        if (name.type === 'uri' && name.value !== TrustDomain.parse(name.value).idString)
          return `${name.value} is not the SPIFFE ID of a trust domain`
      }
      return undefined
    },
  },
  {
    id: 'L40',
    clause: 'RFC 5280 §4.2.1.10',
    check: ({ certificate }) => {
      const { nameConstraints } = certificate
      if (nameConstraints === undefined) return undefined
      if (certificate.extension(extensionOids.nameConstraints)?.critical !== true)
        return 'name constraints are not critical'
      const trees = [...nameConstraints.permitted, ...nameConstraints.excluded]
      return trees.length > 0 && trees.every(({ minimum, maximum }) => minimum === 0 && maximum === undefined)
        ? undefined
        : 'name constraints are empty, or have minimum or maximum'
    },
  },
  {
    id: 'L41',
    clause: 'RFC 5280 §4.1.2.5',
    check: ({ certificate, issuer }) =>
      certificate.notBeforeMs < certificate.notAfterMs &&
      certificate.notBeforeMs >= issuer.notBeforeMs &&
      certificate.notAfterMs <= issuer.notAfterMs
        ? undefined
        : "the validity is empty, or ends after the issuer's",
  },
  {
    id: 'L42',
    clause: 'RFC 5280 §4.2.1.2',
    check: ({ certificate, existing }) => {
      if (existing === undefined) return undefined
      if (
        !equalBytes(certificate.subject.der, existing.subject.der) ||
        !certificate.publicKey.equals(existing.publicKey)
      )
        return 'the subject or key of the cross-certificate differs from the existing certificate'
      const identifier = existing.subjectKeyIdentifier
      return identifier === undefined || equalBytes(identifier, certificate.subjectKeyIdentifier ?? nothing)
        ? undefined
        : 'the key identifier of the cross-certificate differs from the existing certificate'
    },
  },
])

/** Decoding and encoding again must give the same octets, and Node must be able to parse it. */
function lintEncoding({ certificate }: CaLintInput): string | undefined {
  const { issuer, subject, publicKey, notBefore, notAfter, serialNumber, extensions, signature } = certificate
  const algorithm = certificate.signatureAlgorithm.signatureAlgorithm
  if (algorithm === undefined) return 'this package does not sign with the signature algorithm'
  const tbs = encodeTbsCertificate(
    { issuer, subject, publicKey, notBefore, notAfter, serialNumber, extensions: { other: extensions } },
    algorithm,
  )
  certificate.toNode()
  return equalBytes(assembleSigned(tbs, algorithm, signature), certificate.der)
    ? undefined
    : 'decoding and encoding the certificate again changes its octets'
}

const nothing = new Uint8Array(0)
