// Whose signature a CRL carries, and whether that key may sign CRLs. RFC 5280 §6.3.3 (f) and (g).

import { equalBytes } from '../../internal/bytes.ts'
import type { Certificate, PublicKey, RevocationList } from '../../x509/index.ts'
import type { RevocationQuery } from '../revocation-contract.ts'

/** Finds the keys of CRLs, and remembers which key signed which list. */
export class CrlIssuers {
  readonly #certificates: readonly Certificate[]
  readonly #signedBy = new WeakMap<RevocationList, PublicKey>()

  /** `certificates`: of CRL issuers that are not in the path. */
  constructor(certificates: readonly Certificate[]) {
    this.#certificates = certificates
  }

  /** The key that signed the list, if it may; otherwise why not. @throws ERR_PATH_BUDGET */
  keyOf(list: RevocationList, query: RevocationQuery): { readonly key: PublicKey } | { readonly fault: string } {
    const { issuer } = query
    let fault = 'nobody of the name of its issuer is known'
    if (issuer.subject.equals(list.issuer)) {
      if (issuer.certificate?.keyUsage?.has('cRLSign') === false) fault = 'its issuer may not sign CRLs'
      else if (this.#isSignedBy(list, issuer.publicKey, query)) return { key: issuer.publicKey }
      else fault = 'its signature does not verify'
    }
    for (const certificate of this.#candidates(list)) {
      if (!this.#isSignedBy(list, certificate.publicKey, query)) {
        fault = 'its signature does not verify'
        continue
      }
      const refused = query.verifyAuthority(certificate, 'crl')
      if (refused === undefined) return { key: certificate.publicKey }
      fault = `its issuer is refused: ${refused.message}`
    }
    return { fault }
  }

  /** Certificates of the issuer's name, those of the key that the list names first. */
  #candidates(list: RevocationList): readonly Certificate[] {
    const wanted = list.authorityKeyIdentifier?.keyIdentifier
    const named = this.#certificates.filter((certificate) => certificate.subject.equals(list.issuer))
    if (wanted === undefined) return named
    const fits = (certificate: Certificate): boolean => certificate.subjectKeyIdentifier !== undefined && equalBytes(certificate.subjectKeyIdentifier, wanted)
    return [...named.filter(fits), ...named.filter((certificate) => !fits(certificate))]
  }

  #isSignedBy(list: RevocationList, key: PublicKey, { budget }: RevocationQuery): boolean {
    if (this.#signedBy.get(list)?.equals(key) === true) return true
    budget.spend('signatureChecks')
    if (!list.verifySignatureBy(key)) return false
    this.#signedBy.set(list, key)
    return true
  }
}
