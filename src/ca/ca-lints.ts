// What a CA certificate and a revocation list must be before they leave: each rule by itself. Numbers as in the list of lints.

import { PkiError } from '../errors/index.ts'
import { equalBytes } from '../internal/bytes.ts'
import { TrustDomain } from '../spiffe/index.ts'
import { extensionOids } from '../x509/index.ts'
import type { Certificate, RevocationList } from '../x509/index.ts'

/** What a lint of a CA certificate looks at. */
export interface CaLintInput {
  readonly certificate: Certificate
  /** The certificate itself where it is self-signed. */
  readonly issuer: Certificate
}

/** What a lint of a revocation list looks at. */
export interface ListLintInput {
  readonly list: RevocationList
  readonly issuer: Certificate
  /** The number of the list before it. */
  readonly lastNumber: bigint
}

/** One rule: what is wrong, or undefined. */
export interface CaLint<Input> {
  readonly id: string
  readonly clause: string
  readonly check: (input: Input) => string | undefined
}

/** @throws ERR_LINT for the first rule that is broken: a fault of this package or of its configuration */
export function runLints<Input>(lints: readonly CaLint<Input>[], input: Input): void {
  for (const { id, clause, check } of lints) {
    let fault: string | undefined
    try {
      fault = check(input)
    } catch (cause) {
      throw new PkiError('ERR_LINT', `${id} (${clause}): it cannot be read`, { cause })
    }
    if (fault !== undefined) throw new PkiError('ERR_LINT', `${id} (${clause}): ${fault}`)
  }
}

/** For roots, intermediates and certificates for the key of another CA, when they are made. */
export const caLints: readonly CaLint<CaLintInput>[] = [
  { id: 'L36', clause: 'RFC 5280 §4.2.1.9', check: ({ certificate, issuer }) => {
    if (certificate.basicConstraints?.ca !== true || certificate.extension(extensionOids.basicConstraints)?.critical !== true) return 'basic constraints are not a critical "CA"'
    return certificate !== issuer && certificate.basicConstraints.pathLength === undefined ? 'an intermediate of any path length' : undefined
  } },
  { id: 'L37', clause: 'RFC 5280 §4.2.1.3, X-9', check: ({ certificate: { keyUsage }, certificate }) => {
    const exact = keyUsage?.names.length === 2 && keyUsage.has('keyCertSign') && keyUsage.has('cRLSign')
    return exact && certificate.extension(extensionOids.keyUsage)?.critical === true ? undefined : 'key usage is not a critical keyCertSign and cRLSign'
  } },
  { id: 'L38', clause: 'RFC 5280 §4.1.2.6, §4.2.1.2', check: ({ certificate, issuer }) => {
    if (certificate.subjectKeyIdentifier === undefined || certificate.subject.isEmpty) return 'no subject key identifier, or no subject'
    return equalBytes(certificate.issuer.der, issuer.subject.der) && certificate.verifySignatureBy(issuer.publicKey) ? undefined : 'it is not signed by its issuer'
  } },
  { id: 'L39', clause: 'X-4, ID-11', check: ({ certificate }) => {
    for (const name of certificate.subjectAltName ?? []) {
      if (name.type === 'uri' && name.value !== TrustDomain.parse(name.value).idString) return `${name.value} is no trust domain`
    }
    return undefined
  } },
  { id: 'L40', clause: 'RFC 5280 §4.2.1.10', check: ({ certificate }) => {
    const { nameConstraints } = certificate
    if (nameConstraints === undefined) return undefined
    if (certificate.extension(extensionOids.nameConstraints)?.critical !== true) return 'name constraints are not critical'
    const trees = [...nameConstraints.permitted, ...nameConstraints.excluded]
    return trees.length > 0 && trees.every(({ minimum, maximum }) => minimum === 0 && maximum === undefined) ? undefined : 'name constraints that say nothing, or have a minimum or maximum'
  } },
  { id: 'L41', clause: 'RFC 5280 §4.1.2.5', check: ({ certificate, issuer }) =>
    (certificate.notBeforeMs < certificate.notAfterMs && certificate.notBeforeMs >= issuer.notBeforeMs && certificate.notAfterMs <= issuer.notAfterMs ? undefined : "the validity is empty, or reaches beyond the issuer's") },
]

/** For revocation lists, before they are given out. */
export const listLints: readonly CaLint<ListLintInput>[] = [
  { id: 'L43', clause: 'RFC 5280 §5.2.1, §5.2.3', check: ({ list, issuer, lastNumber }) => {
    if (list.version !== 2 || list.crlNumber === undefined || list.crlNumber <= lastNumber || list.crlNumber >= 1n << 159n) return 'no list of version 2 whose number is greater than the last'
    const identifier = list.authorityKeyIdentifier?.keyIdentifier
    return identifier !== undefined && issuer.subjectKeyIdentifier !== undefined && equalBytes(identifier, issuer.subjectKeyIdentifier) ? undefined : "the authority key identifier is not the CA's"
  } },
  { id: 'L44', clause: 'RFC 5280 §5.1.2.5', check: ({ list }) => (list.nextUpdate !== undefined && list.thisUpdate.getTime() < list.nextUpdate.getTime() ? undefined : 'the next update is not after this one') },
  { id: 'L48', clause: 'RFC 5280 §5.1.2.3, §6.3.3 (f)', check: ({ list, issuer }) => {
    if (issuer.keyUsage?.has('cRLSign') === false) return 'the CA may not sign revocation lists'
    return equalBytes(list.issuer.der, issuer.subject.der) ? undefined : "the issuer is not the CA certificate's subject"
  } },
]
