// An X.509-SVID as its holder has it (certificates, leaf first, and its ID), and the rules of X509-SVID.md
// for a leaf beyond RFC 5280.

import { PkiError } from '../errors/index.ts'
import { SpiffeId } from '../spiffe/index.ts'
import { readSpiffeId } from '../validation/names/spiffe-id-of.ts'
import type { Rejection } from '../validation/index.ts'
import { Certificate, extensionOids, keyPurposeOids } from '../x509/index.ts'
import type { CertificateInput } from '../x509/index.ts'
import { nameOf } from '../internal/values/name-of.ts'

/** The ID of a leaf, or the first rule that it breaks. @throws the errors of reading a malformed extension */
export function readSvidLeaf(leaf: Certificate): { readonly id: SpiffeId } | { readonly fault: Rejection } {
  const found = readSpiffeId(leaf.subjectAltName)
  const broken: BrokenRule =
    'fault' in found ? [found.rule, found.fault] : (subjectFault(leaf) ?? keyUsageFault(leaf))
  if (broken === undefined) return found as { readonly id: SpiffeId }
  return { fault: { code: 'ERR_SVID_LEAF', certificate: leaf, rule: broken[0], message: broken[1] } }
}

/** Rule and text. */
type BrokenRule = readonly [string, string] | undefined

/** */
function subjectFault(leaf: Certificate): BrokenRule {
  if (leaf.subject.isEmpty && leaf.extension(extensionOids.subjectAltName)?.critical !== true)
    return ['X-3', 'the subject is empty and the subject alternative name is not critical']
  return leaf.basicConstraints?.ca === true ? ['X-6', 'the leaf is a CA certificate'] : undefined
}

/** */
function keyUsageFault(leaf: Certificate): BrokenRule {
  const { keyUsage } = leaf
  if (keyUsage === undefined || leaf.extension(extensionOids.keyUsage)?.critical !== true)
    return ['X-8', `key usage is ${keyUsage === undefined ? 'absent' : 'not critical'}`]
  if (!keyUsage.has('digitalSignature'))
    return ['X-9', `key usage is ${keyUsage.toString()}; expected digitalSignature`]
  return keyUsage.has('keyCertSign') || keyUsage.has('cRLSign')
    ? ['X-12', `key usage is ${keyUsage.toString()}, a key usage of CAs, in a leaf`]
    : undefined
}

/**
 * The rules for a signing certificate. X-6: it is a CA. X-4: if it has a SPIFFE ID, that is a trust domain
 * without a path; it is then an SVID, and X-1 applies too.
 */
export function checkSvidIssuer(issuer: Certificate): Rejection | undefined {
  const fault = (rule: string, message: string): Rejection => ({
    code: 'ERR_SVID_ISSUER',
    certificate: issuer,
    rule,
    message,
  })
  if (issuer.basicConstraints?.ca !== true) return fault('X-6', 'the signing certificate is not a CA')
  const names = issuer.subjectAltName
  if (names === undefined) return undefined
  const uris = names.filter((name) => name.type === 'uri')
  for (const { value } of uris) {
    if (!value.toLowerCase().startsWith('spiffe:')) continue
    if (uris.length > 1) return fault('X-1', `the CA has a SPIFFE ID and ${uris.length} URI names`)
    // ID-11: the example of a CA in the bundle standard ends in a slash that the grammar forbids.
    if (SpiffeId.tryParse(value.replace(/\/$/, ''))?.hasPath === false) continue
    return fault('X-4', 'the SPIFFE ID of the CA certificate is malformed or has a path')
  }
  return undefined
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
        'an X.509-SVID must be a list of certificates, leaf first, ' +
          `found ${nameOf(certificates)}; \`fromPem\` reads one from text`,
      )
    this.certificates = Object.freeze(certificates.map((input: CertificateInput) => Certificate.from(input)))
    const [leaf] = this.certificates
    if (leaf === undefined)
      throw new PkiError('ERR_SVID_LEAF', 'an X.509-SVID has at least one certificate; the list is empty')
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

  /**
   * extended key usage, where present, has both purposes of TLS. A rule
   * for issuers: verification does not check it.
   */
  get hasBothTlsPurposes(): boolean {
    const { extendedKeyUsage } = this.leaf
    return (
      extendedKeyUsage === undefined ||
      (extendedKeyUsage.includes(keyPurposeOids.serverAuth) &&
        extendedKeyUsage.includes(keyPurposeOids.clientAuth))
    )
  }

  /** Leaf first, one block each: the format of TLS servers and files. */
  toPem(): string {
    return this.certificates.map((certificate) => certificate.toPem()).join('')
  }
}
