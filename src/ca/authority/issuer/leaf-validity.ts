// The validity of a leaf: the requested one, limited by the policy and by the certificates above it.

import { PkiError } from '../../../errors/index.ts'
import { requireCount } from '../../../internal/numbers.ts'
import type { Certificate } from '../../../x509/index.ts'
import { validitySeconds } from '../../profile/certificate-profile.ts'
import type { CertificateProfile } from '../../profile/certificate-profile.ts'
import type { CertificateContent, ShortenedValidity } from '../issued-certificate.ts'
import { requireValidAt } from './ca-path.ts'

/** The validity of one certificate. */
export interface LeafValidity {
  readonly notBeforeMs: number
  readonly notAfterMs: number
  readonly shortened: ShortenedValidity | undefined
}

/** The certificates above a leaf. */
interface IssuingPath {
  readonly certificate: Certificate
  /** From the CA certificate up, without the root. */
  readonly chain: readonly Certificate[]
  /** The roots at the end of the chain. */
  readonly anchors: readonly Certificate[]
}

/** The validities that leaves below one CA certificate can have. Immutable. */
export class LeafValidities {
  readonly #path: IssuingPath
  readonly #profile: CertificateProfile
  readonly #minTtlSeconds: number
  readonly #notBeforeMs: number
  readonly #notAfterMs: number

  constructor(path: IssuingPath, profile: CertificateProfile, minTtlSeconds: number) {
    this.#path = path
    this.#profile = profile
    this.#minTtlSeconds = minTtlSeconds
    const { certificate, chain, anchors } = path
    const above = [certificate, ...chain]
    // No leaf outlives a certificate above it. If several roots can end the path, the one with the latest end
    // counts.
    this.#notAfterMs = Math.min(
      ...above.map(({ notAfterMs }) => notAfterMs),
      Math.max(...anchors.map(({ notAfterMs }) => notAfterMs)),
    )
    this.#notBeforeMs = Math.max(
      ...above.map(({ notBeforeMs }) => notBeforeMs),
      Math.min(...anchors.map(({ notBeforeMs }) => notBeforeMs)),
    )
  }

  /**
   * The validity in whole seconds (RFC 5280 §4.1.2.5); the last second is inclusive.
   *
   * @throws ERR_TTL; ERR_CA_EXPIRED also if the rest of the issuing chain is below the minimum;
   * ERR_CA_NOT_YET_VALID
   */
  of({ ttlSeconds, maxTtlSeconds }: CertificateContent, nowMs: number): LeafValidity {
    this.#requireValid(nowMs)
    if (maxTtlSeconds !== undefined) requireCount('maxTtlSeconds of the content', maxTtlSeconds, 1)
    const second = Math.floor(nowMs / 1000) * 1000
    const asked = validitySeconds(this.#profile, ttlSeconds)
    const allowed = maxTtlSeconds === undefined ? asked : Math.min(asked, maxTtlSeconds)
    const notBeforeMs = Math.max(second - this.#profile.backdateSeconds * 1000, this.#notBeforeMs)
    const askedMs = second + asked * 1000
    const allowedMs = second + allowed * 1000
    if (allowedMs > this.#notAfterMs) {
      this.#requireLife(second)
      return {
        notBeforeMs,
        notAfterMs: this.#notAfterMs,
        shortened: cut('issuer', askedMs, this.#notAfterMs),
      }
    }
    const shortened = allowed < asked ? cut('policy', askedMs, allowedMs) : undefined
    return { notBeforeMs, notAfterMs: allowedMs, shortened }
  }

  /** @throws ERR_CA_EXPIRED, ERR_CA_NOT_YET_VALID */
  #requireValid(nowMs: number): void {
    if (nowMs < this.#notAfterMs + 1000 && nowMs >= this.#notBeforeMs) return
    const { certificate, chain, anchors } = this.#path
    requireValidAt([certificate, ...chain, ...anchors], nowMs)
  }

  #requireLife(nowMs: number): void {
    const left = (this.#notAfterMs - nowMs) / 1000
    const minTtlSeconds = this.#minTtlSeconds
    if (left >= minTtlSeconds) return
    throw new PkiError(
      'ERR_CA_EXPIRED',
      `the chain of ${this.#path.certificate.subject.toString()} ends at ` +
        `${new Date(this.#notAfterMs).toISOString()}: a certificate would be valid for ${left} s; expected ` +
        `minTtlSeconds of ${minTtlSeconds} s or more; the time is ${new Date(nowMs).toISOString()}`,
    )
  }
}

function cut(by: ShortenedValidity['by'], fromMs: number, toMs: number): ShortenedValidity {
  return Object.freeze({ by, from: new Date(fromMs), to: new Date(toMs) })
}
