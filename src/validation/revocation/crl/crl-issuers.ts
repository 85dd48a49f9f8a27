// Finds the key that signed a CRL, and checks that it may sign CRLs (RFC 5280 §6.3.3 (f) and (g)).

import { equalBytes } from '../../../internal/bytes.ts'
import { signatureFault } from '../../../x509/internal.ts'
import type { Certificate, Crl, PublicKey } from '../../../x509/index.ts'
import type { RevocationQuery } from '../../revocation-contract.ts'
import { Reasons } from '../reasons.ts'
import { stillAccuses } from '../still-accuses.ts'

/** The signer of a list. */
interface ListSigner {
  /** The key that signed it; undefined if its holder may not sign it. */
  readonly key?: PublicKey | undefined
  /**
   * Why the list cannot show a good status. With a key, its "revoked" still counts: the holder would be
   * authorised, but its certificate breaks a rule of the profile, or its own status is unknown.
   */
  readonly fault?: string | undefined
}

/** Finds the keys of CRLs, and remembers the signing key of each list. */
export class CrlIssuers {
  readonly #certificates: readonly Certificate[]
  readonly #signedBy = new WeakMap<Crl, PublicKey>()

  /** `certificates`: of CRL issuers that are not in the path. */
  constructor(certificates: readonly Certificate[]) {
    this.#certificates = certificates
  }

  /** @throws ERR_PATH_BUDGET */
  keyOf(list: Crl, query: RevocationQuery): ListSigner {
    let accuser: PublicKey | undefined
    const faults = new Reasons()
    // An issuer in the path is already verified, and its path ends at the same anchor.
    for (const authority of [query.issuer, ...(query.above ?? [])]) {
      if (!authority.subject.equals(list.issuer)) continue
      if (authority.certificate?.keyUsage?.has('cRLSign') === false)
        faults.add("its issuer's key usage lacks cRLSign")
      else {
        const broken = this.#signatureFault(list, authority.publicKey, query)
        if (broken === undefined) return { key: authority.publicKey }
        faults.add(broken)
      }
    }
    for (const certificate of this.#candidates(list)) {
      const broken = this.#signatureFault(list, certificate.publicKey, query)
      if (broken !== undefined) {
        faults.add(broken)
        continue
      }
      const refused = query.verifyAuthority(certificate, 'crl')
      if (refused === undefined) return { key: certificate.publicKey }
      faults.add(`its issuer is refused: ${refused.message}`)
      if (stillAccuses(certificate, refused, 'crl', query)) accuser ??= certificate.publicKey
    }
    const fault = faults.isEmpty ? unavailable : faults.join(', ')
    return accuser === undefined ? { fault } : { fault, key: accuser }
  }

  /** Certificates with the issuer's name; those with the key identifier in the list first. */
  #candidates(list: Crl): readonly Certificate[] {
    const wanted = keyIdentifierOf(list)
    const named = this.#certificates.filter((certificate) => certificate.subject.equals(list.issuer))
    if (wanted === undefined) return named
    const fits = (certificate: Certificate): boolean =>
      certificate.subjectKeyIdentifier !== undefined && equalBytes(certificate.subjectKeyIdentifier, wanted)
    return [...named.filter(fits), ...named.filter((certificate) => !fits(certificate))]
  }

  #signatureFault(list: Crl, key: PublicKey, { budget }: RevocationQuery): string | undefined {
    if (this.#signedBy.get(list)?.equals(key) === true) return undefined
    budget.spendSignatureCheck(key.bits)
    const fault = signatureFault(list, key)
    if (fault === undefined) this.#signedBy.set(list, key)
    return fault
  }
}

/** Only a hint (RFC 5280 §5.2.1): a malformed one is ignored. */
function keyIdentifierOf(list: Crl): Uint8Array | undefined {
  try {
    return list.authorityKeyIdentifier?.keyIdentifier
  } catch {
    return undefined
  }
}

const unavailable = "no certificate with the CRL issuer's name is available"
