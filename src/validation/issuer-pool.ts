// A certificate or anchor that may stand as an issuer in a path, with what was found out about it once.
// Issuer candidates found by subject name, and tried in an order that does not depend on the order they came in.
// Intermediates of verified paths, by their bytes: a peer sends the same ones again with every handshake.

import { bytesKey, equalBytes } from '../internal/bytes.ts'
import { extensionOids } from '../x509/index.ts'
import type { Certificate, DistinguishedName, NameConstraints, PublicKey } from '../x509/index.ts'
import {
  checkKey,
  checkSignatureAlgorithm,
  checkCriticalExtensions,
  checkMayIssue,
} from './checks/path-rules.ts'
import { checkRfc5280Rules, checkWebpkiRules } from './checks/certificate-rules.ts'
import type { PathRole } from './checks/certificate-rules.ts'
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
  #form:
    | { readonly fault: Rejection | undefined; readonly selfIssued: boolean; readonly constrains: boolean }
    | undefined
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

  /** What makes it no issuer at any time: malformed, not a CA, unknown critical extension, profile. */
  get fault(): Rejection | undefined {
    return this.#judged().fault
  }

  /** Self-issued intermediates do not count against path lengths (RFC 5280 §6.1.4 (l)). */
  get isSelfIssued(): boolean {
    return this.#judged().selfIssued
  }

  /** Whether it has name constraints, which bind what is below. */
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

  #judged(): {
    readonly fault: Rejection | undefined
    readonly selfIssued: boolean
    readonly constrains: boolean
  } {
    this.#form ??= this.#judge()
    return this.#form
  }

  #judge(): { fault: Rejection | undefined; selfIssued: boolean; constrains: boolean } {
    const { certificate } = this
    if (certificate === undefined)
      return {
        fault: checkKey(this.publicKey, this.#rules.profile),
        selfIssued: false,
        constrains: this.anchorConstraints !== undefined,
      }
    try {
      const fault =
        checkForm(certificate, this.anchor === undefined ? 'intermediate' : 'anchor', this.#rules) ??
        checkMayIssue(certificate)
      return {
        fault,
        selfIssued: certificate.isSelfIssued,
        constrains: certificate.extension(extensionOids.nameConstraints) !== undefined,
      }
    } catch (error) {
      return { fault: rejectionOf(error, certificate), selfIssued: false, constrains: false }
    }
  }
}

/** Checks that need nothing but the certificate's bytes. @throws PkiError for a malformed field or extension */
export function checkForm(
  certificate: Certificate,
  role: PathRole,
  { profile, knownCriticalExtensions }: FormRules,
): Rejection | undefined {
  certificate.checkAll()
  return (
    checkCriticalExtensions(certificate, knownCriticalExtensions) ??
    (role === 'anchor' ? undefined : checkSignatureAlgorithm(certificate, profile)) ??
    checkKey(certificate.publicKey, profile, certificate) ??
    (profile.certificateRules === 'path'
      ? undefined
      : checkRfc5280Rules(certificate, role, profile.certificateRules === 'webpki')) ??
    (profile.certificateRules === 'webpki' ? checkWebpkiRules(certificate, role) : undefined)
  )
}

/** Refuted keys remembered per certificate; beyond it a signature is checked again. */
const maxRefuted = 128

/** Candidates by subject. Looked up by the bytes of a name first, by RFC 5280 §7.1 when these are not known yet. */
export class IssuerPool {
  readonly #byName = new Map<string, IssuerCandidate[]>()
  readonly #byBytes = new Map<string, readonly IssuerCandidate[]>()

  constructor(candidates: Iterable<IssuerCandidate>) {
    const seen = new Set<string>()
    for (const candidate of candidates) {
      // The same certificate twice is one candidate; anchors come first, and stay.
      const key = candidate.certificate === undefined ? undefined : bytesKey(candidate.certificate.der)
      if (key !== undefined && seen.size === seen.add(key).size) continue
      const name = candidate.subject.comparisonKey
      const there = this.#byName.get(name)
      if (there === undefined) this.#byName.set(name, [candidate])
      else there.push(candidate)
    }
  }

  /** All of them. */
  *candidates(): Iterable<IssuerCandidate> {
    for (const list of this.#byName.values()) yield* list
  }

  /** Candidates of that subject; none for a name that cannot be read. */
  bySubject(name: DistinguishedName): readonly IssuerCandidate[] {
    const key = bytesKey(name.der)
    const known = this.#byBytes.get(key)
    if (known !== undefined) return known
    const found = this.#byName.get(name.comparisonKey) ?? none
    // Spellings of a name come from outside: the index of them stays small.
    if (this.#byBytes.size >= maxSpellings) this.#byBytes.clear()
    this.#byBytes.set(key, found)
    return found
  }
}

/** Orders candidates for the issuer of `certificate`: anchors first, then by key identifiers, then by their bytes. */
export function inOrder(
  candidates: readonly IssuerCandidate[],
  certificate: Certificate,
): readonly IssuerCandidate[] {
  if (candidates.length < 2) return candidates
  const wanted = certificate.authorityKeyIdentifier?.keyIdentifier
  const ranked = candidates.map((candidate) => ({
    candidate,
    rank: (candidate.anchor === undefined ? 3 : 0) + identifierRank(candidate, wanted),
  }))
  ranked.sort((a, b) => a.rank - b.rank || Buffer.compare(bytesOf(a.candidate), bytesOf(b.candidate)))
  return ranked.map(({ candidate }) => candidate)
}

/** 0 the identifiers agree, 1 nothing is known, 2 they differ: a hint, never a reason to refuse (RFC 5280 §4.2.1.1). */
function identifierRank({ certificate }: IssuerCandidate, wanted: Uint8Array | undefined): number {
  if (wanted === undefined || certificate === undefined) return 1
  try {
    const found = certificate.subjectKeyIdentifier
    return found === undefined ? 1 : equalBytes(found, wanted) ? 0 : 2
  } catch {
    return 2
  }
}

function bytesOf({ certificate, publicKey }: IssuerCandidate): Uint8Array {
  return certificate?.der ?? publicKey.spki
}

const none: readonly IssuerCandidate[] = []
const maxSpellings = 1024

/** A bounded map, the least recently used out first. Only what was verified gets in, so no peer can push others out at will. */
export class RememberedIssuers {
  readonly #entries = new Map<string, IssuerCandidate>()
  readonly #capacity: number

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  /** The candidate with exactly these bytes. */
  get(der: Uint8Array): IssuerCandidate | undefined {
    if (this.#entries.size === 0) return undefined
    const key = keyOf(der)
    const found = this.#entries.get(key)
    // The key is the end of the signature; the bytes decide.
    return found?.certificate !== undefined && equalBytes(found.certificate.der, der) ? found : undefined
  }

  add(issuer: IssuerCandidate): void {
    if (this.#capacity === 0 || issuer.certificate === undefined) return
    const key = keyOf(issuer.certificate.der)
    this.#entries.delete(key)
    this.#entries.set(key, issuer)
    if (this.#entries.size > this.#capacity) this.#entries.delete(this.#entries.keys().next().value as string)
  }
}

function keyOf(der: Uint8Array): string {
  return Buffer.from(der.buffer, der.byteOffset, der.length).toString('latin1', Math.max(0, der.length - 32))
}
