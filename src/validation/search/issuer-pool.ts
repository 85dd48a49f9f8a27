// Issuer candidates by subject name, in an order that does not depend on the order of the input.

import { bytesKey, equalBytes } from '../../internal/bytes.ts'
import type { Certificate, DistinguishedName } from '../../x509/index.ts'
import type { IssuerCandidate } from './issuer-candidate.ts'

/** Candidates by subject, compared by RFC 5280 §7.1. */
export class IssuerPool {
  readonly #byName = new Map<string, IssuerCandidate[]>()

  constructor(candidates: Iterable<IssuerCandidate>) {
    const seen = new Set<string>()
    for (const candidate of candidates) {
      // A duplicate certificate is one candidate; anchors are added first and stay.
      const key = candidate.certificate === undefined ? undefined : bytesKey(candidate.certificate.der)
      if (key !== undefined && seen.size === seen.add(key).size) continue
      const name = candidate.subject.comparisonKey
      const there = this.#byName.get(name)
      if (there === undefined) this.#byName.set(name, [candidate])
      else there.push(candidate)
    }
  }

  /** All candidates. */
  *candidates(): Iterable<IssuerCandidate> {
    for (const list of this.#byName.values()) yield* list
  }

  /** Candidates with that subject. @throws the errors of reading a malformed name */
  bySubject(name: DistinguishedName): readonly IssuerCandidate[] {
    return this.#byName.get(name.comparisonKey) ?? none
  }
}

/**
 * Orders the candidates for the issuer of `certificate`: anchors first, then
 * by key identifiers, then by their octets.
 */
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

/**
 * 0: the identifiers agree; 1: one is absent; 2: they differ. A hint, never
 * a reason to refuse (RFC 5280 §4.2.1.1).
 */
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
