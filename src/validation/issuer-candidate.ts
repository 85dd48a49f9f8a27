// A certificate or anchor that may stand as an issuer in a path, with what was found out about it once.

import { extensionOids } from '../x509/index.ts'
import type { Certificate, DistinguishedName, NameConstraints, PublicKey } from '../x509/index.ts'
import { checkKey, checkSignatureAlgorithm } from './checks/algorithms.ts'
import { checkCriticalExtensions } from './checks/critical-extensions.ts'
import { checkMayIssue } from './checks/issuing.ts'
import { checkRfc5280Rules } from './checks/rfc5280-rules.ts'
import type { PathRole } from './checks/rfc5280-rules.ts'
import { checkWebpkiRules } from './checks/webpki-rules.ts'
import type { ValidationProfile } from './profile.ts'
import { rejectionOf } from './rejection.ts'
import type { Rejection } from './rejection.ts'
import type { TrustAnchor } from './trust-anchor.ts'

/** What does not change between two verifications with the same settings. */
export interface FormRules {
  readonly profile: ValidationProfile
  readonly knownCriticalExtensions: readonly string[]
}

/** An issuer candidate. Remembers what only its bytes and the profile decide; time and place in the path are asked every time. */
export class IssuerCandidate {
  readonly certificate: Certificate | undefined
  readonly anchor: TrustAnchor | undefined
  readonly subject: DistinguishedName
  readonly publicKey: PublicKey
  readonly #rules: FormRules
  #form: { readonly fault: Rejection | undefined; readonly selfIssued: boolean; readonly constrains: boolean } | undefined
  #signedBy: PublicKey | undefined
  #notSignedBy: PublicKey[] | undefined

  constructor(source: { readonly certificate: Certificate } | { readonly anchor: TrustAnchor }, rules: FormRules) {
    const named = 'anchor' in source ? source.anchor : source.certificate
    this.anchor = 'anchor' in source ? source.anchor : undefined
    this.certificate = 'anchor' in source ? source.anchor.certificate : source.certificate
    this.subject = named.subject
    this.publicKey = named.publicKey
    this.#rules = rules
  }

  /** What makes it no issuer at any time: malformed, not a CA, unknown critical extension, profile. */
  get fault(): Rejection | undefined {
    return this.#judged().fault
  }

  /** Self-issued intermediates do not count against path lengths (RFC 5280 §6.1.4 (l)). */
  get isSelfIssued(): boolean {
    return this.#judged().selfIssued
  }

  /** Whether it has name constraints or policy extensions that bind what is below. */
  get constrainsNames(): boolean {
    return this.#judged().constrains
  }

  /** Constraints of an anchor; those of a certificate are read where they are applied. */
  get anchorConstraints(): NameConstraints | undefined {
    return this.anchor?.nameConstraints
  }

  /** Whether the signature on this certificate is known to be made, or not made, with a key; undefined = not known. */
  knownSignature(key: PublicKey): boolean | undefined {
    if (this.#signedBy !== undefined && (this.#signedBy === key || this.#signedBy.equals(key))) return true
    return this.#notSignedBy?.includes(key) === true ? false : undefined
  }

  /** Remembers the outcome of a signature check. Both sides are held by their bytes: a certificate and a key do not change. */
  noteSignature(key: PublicKey, holds: boolean): void {
    if (holds) this.#signedBy = key
    else if ((this.#notSignedBy ??= []).length < maxRefuted) this.#notSignedBy.push(key)
  }

  #judged(): { readonly fault: Rejection | undefined; readonly selfIssued: boolean; readonly constrains: boolean } {
    this.#form ??= this.#judge()
    return this.#form
  }

  #judge(): { fault: Rejection | undefined; selfIssued: boolean; constrains: boolean } {
    const { certificate } = this
    if (certificate === undefined) return { fault: checkKey(this.publicKey, this.#rules.profile), selfIssued: false, constrains: this.anchorConstraints !== undefined }
    try {
      const fault = checkForm(certificate, this.anchor === undefined ? 'intermediate' : 'anchor', this.#rules) ?? checkMayIssue(certificate)
      return { fault, selfIssued: certificate.isSelfIssued, constrains: certificate.extension(extensionOids.nameConstraints) !== undefined }
    } catch (error) {
      return { fault: rejectionOf(error, certificate), selfIssued: false, constrains: false }
    }
  }
}

/** Checks that need nothing but the certificate's bytes. @throws PkiError for a malformed field or extension */
export function checkForm(certificate: Certificate, role: PathRole, { profile, knownCriticalExtensions }: FormRules): Rejection | undefined {
  certificate.checkAll()
  return (
    checkCriticalExtensions(certificate, knownCriticalExtensions) ??
    (role === 'anchor' ? undefined : checkSignatureAlgorithm(certificate, profile)) ??
    checkKey(certificate.publicKey, profile, certificate) ??
    (profile.certificateRules === 'path' ? undefined : checkRfc5280Rules(certificate, role, profile.certificateRules === 'webpki')) ??
    (profile.certificateRules === 'webpki' ? checkWebpkiRules(certificate, role) : undefined)
  )
}

/** Refuted keys remembered per certificate; beyond it a signature is checked again. */
const maxRefuted = 128
