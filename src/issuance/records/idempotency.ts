// A retry with the same idempotency key gets the first certificate.

import { createHash } from 'node:crypto'
import { keyIdentifierOf } from '../../ca/internal.ts'
import type { CertificateAuthority, CertificateRecord, CertificateStore } from '../../ca/index.ts'
import { PkiError } from '../../errors/index.ts'
import { Certificate } from '../../x509/index.ts'
import type { CertificateRequest } from '../../x509/index.ts'
import type { Clock } from '../../runtime/index.ts'
import type { AdmittedRequest } from '../admission.ts'
import type { Decision } from '../decision.ts'
import type { IssuanceAnswer } from '../issuance-answer.ts'
import { ask } from './store-calls.ts'

/**
 * Finds the certificate that was issued for an idempotency key. The store refuses a second record with one
 * key, also for concurrent requests.
 */
export class Idempotency {
  readonly #authority: CertificateAuthority
  readonly #store: CertificateStore
  readonly #clock: Clock

  constructor(authority: CertificateAuthority, store: CertificateStore, clock: Clock) {
    this.#authority = authority
    this.#store = store
    this.#clock = clock
  }

  /**
   * The key in the store: bound to the identity, so that callers cannot use or probe the keys of other
   * callers.
   */
  keyOf({ idempotencyKey }: AdmittedRequest, { identity }: Decision): string | undefined {
    if (idempotencyKey === undefined) return undefined
    return createHash('sha256')
      .update(JSON.stringify([identity.toString(), idempotencyKey]))
      .digest('hex')
  }

  /**
   * @throws ERR_IDEMPOTENCY_KEY if the key belongs to another request, its first request has not ended, or
   *   its certificate is revoked or has expired
   */
  async find(
    idempotencyKey: string,
    csr: CertificateRequest,
    { rule, trimmed }: Decision,
  ): Promise<IssuanceAnswer | undefined> {
    const { items } = await ask(this.#store, (store) => store.query({ idempotencyKey }))
    const [record] = items
    if (record === undefined || record.state === 'failed') return undefined
    const certificate = this.#reusable(record, csr)
    const chain = this.#chainOf(record)
    return Object.freeze({ certificate, chain, roots: this.#authority.roots, rule, trimmed })
  }

  #reusable(record: CertificateRecord, csr: CertificateRequest): Certificate {
    const { certificate: der, state, serialNumber, revocation } = record
    if (der === undefined) throw used(`its certificate ${serialNumber} is recorded as ${state}`)
    if (record.keyIdentifier !== keyIdentifierOf(csr.publicKey.keyIdentifier))
      throw used(`its certificate ${serialNumber} is for another key`)
    if (revocation !== undefined) throw used(`its certificate ${serialNumber} is revoked`)
    // The last second of notAfter is part of the validity (RFC 5280 §4.1.2.5).
    if (this.#clock.now() >= record.notAfter.getTime() + 1000)
      throw used(`its certificate ${serialNumber} expired at ${record.notAfter.toISOString()}`)
    return Certificate.parse(der)
  }

  /** The chain of the issuer that has signed it, which may be a canary, or the issuer before a rotation. */
  #chainOf({ issuer, serialNumber }: CertificateRecord): readonly Certificate[] {
    const { certificate, chain } = this.#authority
    const current = certificate.subjectKeyIdentifier
    const found =
      current !== undefined && keyIdentifierOf(current) === issuer ? chain : this.#authority.chainOf?.(issuer)
    if (found !== undefined) return found
    throw used(`its certificate ${serialNumber} was issued by a CA certificate that is no longer in use`)
  }
}

function used(why: string): PkiError {
  return new PkiError('ERR_IDEMPOTENCY_KEY', `the idempotency key was used before: ${why}`)
}
