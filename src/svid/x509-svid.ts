// What X509-SVID.md lays on a leaf beyond RFC 5280: rules.
// An X.509-SVID as its holder has it: certificates, leaf first, and what identifies it. X509-SVID.md.

import { isPkiError, PkiError } from '../errors/index.ts'
import { SpiffeId } from '../spiffe/index.ts'
import type { Rejection } from '../validation/index.ts'
import { Certificate, extensionOids, keyPurposeOids } from '../x509/index.ts'
import type { CertificateInput } from '../x509/index.ts'

/** The ID of a leaf that keeps the rules, or the first rule that it breaks. @throws what reading a malformed extension throws */
export function readSvidLeaf(leaf: Certificate): { readonly id: SpiffeId } | { readonly fault: Rejection } {
  const fault = (rule: string, message: string): { fault: Rejection } => ({
    fault: { code: 'ERR_SVID_LEAF', certificate: leaf, rule, message },
  })
  const uris = (leaf.subjectAltName ?? []).filter((name) => name.type === 'uri')
  const [uri] = uris
  // Every URI counts, whatever its scheme.
  if (uris.length !== 1 || uri?.type !== 'uri')
    return fault('X-1', `${uris.length} URI names where exactly one is wanted`)
  let id: SpiffeId
  try {
    id = SpiffeId.parse(uri.value)
  } catch (error) {
    if (!isPkiError(error)) throw error
    return fault('X-12', error.message)
  }
  if (!id.hasPath)
    return fault('X-2', `${id.toString()} has no path: it names a trust domain, not a workload`)
  if (leaf.subject.isEmpty && leaf.extension(extensionOids.subjectAltName)?.critical !== true)
    return fault('X-3', 'the subject is empty and the alternative name is not critical')
  if (leaf.basicConstraints?.ca === true) return fault('X-6', 'the leaf is a CA certificate')
  const { keyUsage } = leaf
  if (keyUsage === undefined || leaf.extension(extensionOids.keyUsage)?.critical !== true)
    return fault('X-8', 'key usage is absent or not critical')
  if (!keyUsage.has('digitalSignature')) return fault('X-9', 'key usage lacks digitalSignature')
  if (keyUsage.has('keyCertSign') || keyUsage.has('cRLSign'))
    return fault('X-12', 'key usage of a CA in a leaf')
  return { id }
}

/** a CA certificate that names a SPIFFE ID names a trust domain, without a path. It is then an SVID: X-1 holds for it as well. */
export function checkSvidIssuer(issuer: Certificate): Rejection | undefined {
  const uris = (issuer.subjectAltName ?? []).filter((name) => name.type === 'uri')
  for (const name of uris) {
    if (!name.value.toLowerCase().startsWith('spiffe:')) continue
    if (uris.length > 1)
      return {
        code: 'ERR_SVID_ISSUER',
        certificate: issuer,
        rule: 'X-1',
        message: `a CA certificate with a SPIFFE ID and ${uris.length} URI names`,
      }
    // ID-11: the bundle standard's own example of a CA ends in a slash that the grammar forbids.
    if (SpiffeId.tryParse(name.value.replace(/\/$/, ''))?.hasPath === false) continue
    return {
      code: 'ERR_SVID_ISSUER',
      certificate: issuer,
      rule: 'X-4',
      message: 'a CA certificate whose SPIFFE ID is malformed or has a path',
    }
  }
  return undefined
}

/** purposes, where they are given, are both of TLS. Said by the standard to issuers; asked of leaves on request. */
export function hasBothTlsPurposes(leaf: Certificate): boolean {
  const { extendedKeyUsage } = leaf
  return (
    extendedKeyUsage === undefined ||
    (extendedKeyUsage.includes(keyPurposeOids.serverAuth) &&
      extendedKeyUsage.includes(keyPurposeOids.clientAuth))
  )
}

/** The certificates of an X.509-SVID. The private key stays with its `Signer` or `KeyObject`. */
export class X509Svid {
  /** The SPIFFE ID of the leaf. */
  readonly id: SpiffeId
  /** Leaf first, then its issuers, without the root. */
  readonly certificates: readonly Certificate[]

  /**
   * @throws ERR_SVID_LEAF for a leaf that breaks a rule of; as `Certificate.from`
   * @example
   * ```ts
   * const svid = new X509Svid(chain)
   * console.log(svid.id.toString(), svid.leaf.notAfter)
   * ```
   */
  constructor(certificates: readonly CertificateInput[]) {
    if (!Array.isArray(certificates))
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        'an X.509-SVID is a list of certificates, leaf first; `fromPem` reads one from text',
      )
    this.certificates = Object.freeze(certificates.map((input: CertificateInput) => Certificate.from(input)))
    const [leaf] = this.certificates
    if (leaf === undefined)
      throw new PkiError('ERR_SVID_LEAF', 'no certificate where an X.509-SVID is wanted')
    const read = readSvidLeaf(leaf)
    if ('fault' in read) throw new PkiError('ERR_SVID_LEAF', `${read.fault.message} (${read.fault.rule})`)
    this.id = read.id
  }

  /** From a PEM text of several blocks. @throws as the constructor; ERR_PEM */
  static fromPem(pem: string | Uint8Array): X509Svid {
    return new X509Svid(Certificate.listFromPem(pem))
  }

  /** The certificate of the workload itself. */
  get leaf(): Certificate {
    return this.certificates[0] as Certificate
  }

  /** Leaf first, one block each: what TLS servers and files take. */
  toPem(): string {
    return this.certificates.map((certificate) => certificate.toPem()).join('')
  }
}
