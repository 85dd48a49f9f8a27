// The certificates that a peer sends with its leaf, as candidates for its path.

import { bytesKey } from '../../internal/bytes.ts'
import { Certificate } from '../../x509/index.ts'
import type { CertificateInput } from '../../x509/index.ts'
import type { Budget } from '../budget.ts'
import type { FormRules } from '../profile.ts'
import { rejectionOf } from '../verdict/rejection.ts'
import { IssuerCandidate } from './issuer-candidate.ts'
import type { RejectionList } from './rejection-list.ts'
import type { RememberedIssuers } from './remembered-issuers.ts'

/** Reads presented certificates; those of verified paths are known. */
export class PresentedIssuers {
  readonly #remembered: RememberedIssuers
  readonly #rules: FormRules

  constructor(remembered: RememberedIssuers, rules: FormRules) {
    this.#remembered = remembered
    this.#rules = rules
  }

  /** Certificates sent with the leaf. They are not trusted, so one that does not parse is ignored. */
  read(
    inputs: readonly CertificateInput[],
    budget: Budget,
    rejections: RejectionList,
  ): readonly IssuerCandidate[] {
    if (inputs.length === 0) return noCandidates
    const presented: IssuerCandidate[] = []
    const seen = inputs.length === 1 ? undefined : new Set<string>()
    for (const input of inputs) {
      try {
        const candidate = this.#candidateFrom(input)
        const { der, subject } = candidate.certificate as Certificate
        budget.spend('octets', der.length)
        void subject.comparisonKey
        if (seen !== undefined && seen.size === seen.add(bytesKey(der)).size) continue
        presented.push(candidate)
      } catch (error) {
        rejections.add(rejectionOf(error, undefined), [], 'unread')
        // Each unreadable one costs an error, regardless of its length.
        budget.spend('candidates')
      }
    }
    return presented
  }

  #candidateFrom(input: CertificateInput): IssuerCandidate {
    const known = input instanceof Uint8Array ? this.#remembered.get(input) : undefined
    if (known !== undefined) return known
    const certificate = readCertificate(input, this.#rules)
    return this.#remembered.get(certificate.der) ?? new IssuerCandidate({ certificate }, this.#rules)
  }
}

/** A certificate of a peer, with the tolerances of the validator. */
export function readCertificate(input: CertificateInput, { tolerances }: FormRules): Certificate {
  return tolerances.length === 0 ? Certificate.from(input) : Certificate.from(input, { tolerances })
}

const noCandidates: readonly IssuerCandidate[] = []
