// The lists of a CA: each with a number above the last, checked before it is given out. RFC 5280 §5.

import { PkiError } from '../errors/index.ts'
import type { Clock } from '../runtime/index.ts'
import { buildRevocationList } from '../x509/index.ts'
import type { Certificate, RevocationList, Signer } from '../x509/index.ts'
import type { CertificateStore } from './certificate-store.ts'
import { listLints, runLints } from './ca-lints.ts'

/** What lists are made from. */
export interface RevocationListIssuerOptions {
  readonly store: CertificateStore | undefined
  readonly ttlSeconds: number | undefined
  readonly clock: Clock
}

/** Makes one list after the other. */
export class RevocationListIssuer {
  readonly #options: RevocationListIssuerOptions
  #last = 0n

  constructor(options: RevocationListIssuerOptions) {
    this.#options = options
  }

  /** The next list, in the name of this CA certificate. @throws ERR_INVALID_ARGUMENT, ERR_CA_SIGNATURE; what store and signer throw */
  async next(certificate: Certificate, signer: Signer): Promise<RevocationList> {
    const { store, ttlSeconds = defaultTtlSeconds, clock } = this.#options
    const keyIdentifier = certificate.subjectKeyIdentifier
    if (store === undefined || keyIdentifier === undefined) throw new PkiError('ERR_INVALID_ARGUMENT', 'a CA without a store knows of no revocations')
    const thisUpdate = new Date(Math.floor(clock.now() / 1000) * 1000)
    // RFC 5280 §5: an entry stays until it was on a list that was issued after its certificate expired. Looking back over the life of one list does it.
    const revoked = await store.revoked(new Date(thisUpdate.getTime() - ttlSeconds * 1000))
    const lastNumber = this.#last
    const list = await buildRevocationList({
      issuer: certificate.subject,
      thisUpdate,
      nextUpdate: new Date(Math.min(thisUpdate.getTime() + ttlSeconds * 1000, certificate.notAfterMs)),
      crlNumber: this.#number(thisUpdate),
      authorityKeyIdentifier: keyIdentifier,
      entries: revoked.flatMap(({ serialNumber, revocation }) => (revocation === undefined ? [] : [{ serialNumber, revocationDate: earlier(revocation.revokedAt, thisUpdate), reason: revocation.reason }])),
    }, signer)
    if (!list.verifySignatureBy(certificate.publicKey)) throw new PkiError('ERR_CA_SIGNATURE', `the signature of key ${signer.id} does not verify; the list was not let out`)
    runLints(listLints, { list, issuer: certificate, lastNumber })
    return list
  }

  /** The time in milliseconds, or one more than the last: it grows over restarts too, without a counter to keep. */
  #number(thisUpdate: Date): bigint {
    const time = BigInt(thisUpdate.getTime())
    this.#last = time > this.#last ? time : this.#last + 1n
    return this.#last
  }
}

/** L46: a clock that was set back must not stop the lists. */
function earlier(time: Date, limit: Date): Date {
  return time > limit ? limit : time
}

const defaultTtlSeconds = 24 * 3600
