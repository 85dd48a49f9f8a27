// A possible issuer in a path, from a certificate or an anchor, with results that are computed once.

import { extensionOids, PublicKey } from '../../x509/index.ts'
import type { Certificate, DistinguishedName } from '../../x509/index.ts'
import type { NameConstraints } from '../../x509/internal.ts'
import { checkForm } from '../checks/certificate-form.ts'
import type { FormRules } from '../profile.ts'
import { checkKey, checkMayIssue } from '../checks/path-rules.ts'
import { rejectionOf } from '../verdict/rejection.ts'
import type { Rejection } from '../verdict/rejection.ts'
import type { TrustAnchor } from '../trust-anchor.ts'

interface Form {
  readonly fault: Rejection | undefined
  readonly selfIssued: boolean
  readonly constrains: boolean
}

/**
 * An issuer candidate. Keeps results that depend only on its octets and the settings of the validator; time
 * and position are checked in every verification.
 */
export class IssuerCandidate {
  readonly certificate: Certificate | undefined
  readonly anchor: TrustAnchor | undefined
  readonly subject: DistinguishedName
  readonly publicKey: PublicKey
  readonly #rules: FormRules
  #form: Form | undefined
  #signedBy: PublicKey | undefined
  #notSignedBy: PublicKey[] | undefined

  constructor(
    source: { readonly certificate: Certificate } | { readonly anchor: TrustAnchor },
    rules: FormRules,
  ) {
    const named = 'anchor' in source ? source.anchor : source.certificate
    this.anchor = 'anchor' in source ? source.anchor : undefined
    this.certificate = 'anchor' in source ? source.anchor.certificate : source.certificate
    this.subject = named.subject
    this.publicKey = named.publicKey
    this.#rules = rules
  }

  /**
   * Why it can never be an issuer: malformed, not a CA, an unknown critical extension, or a broken profile
   * rule.
   */
  get fault(): Rejection | undefined {
    return this.#judged().fault
  }

  /** Self-issued intermediates do not count against path lengths (RFC 5280 §6.1.4 (l)). */
  get isSelfIssued(): boolean {
    return this.#judged().selfIssued
  }

  /** Whether it has name constraints, which apply to the certificates below. */
  get constrainsNames(): boolean {
    return this.#judged().constrains
  }

  /** Constraints of an anchor; those of a certificate are read where they are applied. */
  get anchorConstraints(): NameConstraints | undefined {
    return this.anchor?.nameConstraints
  }

  /** Whether the signature on this certificate verifies with a key; undefined = not checked yet. */
  knownSignature(key: PublicKey): boolean | undefined {
    if (this.#signedBy !== undefined && (this.#signedBy === key || this.#signedBy.equals(key))) return true
    return this.#notSignedBy?.includes(key) === true ? false : undefined
  }

  /** Stores the result of a signature check. The key is copied: its octets may belong to the caller. */
  noteSignature(key: PublicKey, holds: boolean): void {
    if (holds) this.#signedBy = PublicKey.fromSpki(key.spki)
    else if ((this.#notSignedBy ??= []).length < maxRefuted) this.#notSignedBy.push(key)
  }

  #judged(): Form {
    this.#form ??= this.#judge()
    return this.#form
  }

  #judge(): Form {
    const { certificate } = this
    if (certificate === undefined)
      return {
        fault: checkKey(this.publicKey, this.#rules.profile),
        selfIssued: false,
        constrains: this.anchorConstraints !== undefined,
      }
    try {
      const role = this.anchor === undefined ? 'intermediate' : 'anchor'
      return {
        fault: checkForm(certificate, role, this.#rules) ?? checkMayIssue(certificate, role, this.#rules),
        selfIssued: certificate.isSelfIssued,
        constrains: certificate.extension(extensionOids.nameConstraints) !== undefined,
      }
    } catch (error) {
      return { fault: rejectionOf(error, certificate), selfIssued: false, constrains: false }
    }
  }
}

/** The number of failing keys remembered per certificate; beyond it a signature is checked again. */
const maxRefuted = 128
