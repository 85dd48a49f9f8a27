// The lists of a CA: each with a number above the last, checked before it is given out. RFC 5280 §5.

import { PkiError } from '../errors/index.ts'
import { checkCounts } from '../internal/numbers.ts'
import type { Clock } from '../runtime/index.ts'
import { RevocationList, assembleSigned, encodeTbsRevocationList, requireSigner } from '../x509/index.ts'
import type { Certificate, PublicKey, RevokedCertificate, Signer } from '../x509/index.ts'
import { listLints, runLints, wholeSecond } from './ca-lints.ts'
import type { PublishedList } from './ca-lints.ts'
import { signChecked } from './certificate-workers.ts'
import type { CertificateRecord, CertificateStore } from './certificate-store.ts'

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
  #previous: (PublishedList & { readonly publicKey: PublicKey }) | undefined
  #making: Promise<unknown> = Promise.resolve()

  /** @throws ERR_INVALID_ARGUMENT */
  constructor(options: RevocationListIssuerOptions) {
    checkCounts({ revocationListTtlSeconds: options.ttlSeconds }, 1)
    this.#options = options
  }

  /**
   * The next list, in the name of this CA certificate. One at a time: what was revoked is read after the list before is done, or a greater number
   * could have the older contents.
   *
   * @throws ERR_INVALID_ARGUMENT, ERR_CA_EXPIRED, ERR_CA_SIGNATURE, ERR_LINT; what store and signer throw
   */
  next(certificate: Certificate, signer: Signer): Promise<RevocationList> {
    const made = this.#making.then(() => this.#make(certificate, signer))
    this.#making = made.catch(() => undefined)
    return made
  }

  async #make(certificate: Certificate, signer: Signer): Promise<RevocationList> {
    const { store, ttlSeconds = defaultTtlSeconds, clock } = this.#options
    const { publicKey, subjectKeyIdentifier: keyIdentifier } = certificate
    if (store === undefined || keyIdentifier === undefined)
      throw new PkiError('ERR_INVALID_ARGUMENT', 'a CA without a store knows of no revocations')
    // After a rotation there is no list before.
    const previous = this.#previous?.publicKey.equals(publicKey) === true ? this.#previous : undefined
    const previousMs = previous?.list.thisUpdate.getTime()
    // RFC 5280 §3.3: an entry stays until it was on a list that was issued after its certificate expired. Looking back over the life of one list
    // does it where lists follow one another in time, also those of other processes; where none was made for longer, the list before.
    const lookBackMs = Math.min(wholeSecond(clock.now()) - ttlSeconds * 1000, previousMs ?? Infinity)
    const revoked = await store.revoked(new Date(lookBackMs))
    // After the answer, so that nothing in it is later than the list; and never before the list that is out, should the clock be set back.
    const thisUpdateMs = Math.max(wholeSecond(clock.now()), previousMs ?? 0)
    if (thisUpdateMs >= certificate.notAfterMs)
      throw new PkiError(
        'ERR_CA_EXPIRED',
        `the CA certificate is valid until ${certificate.notAfter.toISOString()}, and signs no list after`,
      )
    const records = inOrder(revoked, thisUpdateMs)
    const lastNumber = this.#last
    const { signatureAlgorithm } = requireSigner(signer)
    const tbs = encodeTbsRevocationList(
      {
        issuer: certificate.subject,
        thisUpdate: new Date(thisUpdateMs),
        nextUpdate: new Date(Math.min(thisUpdateMs + ttlSeconds * 1000, certificate.notAfterMs)),
        crlNumber: this.#number(thisUpdateMs),
        authorityKeyIdentifier: keyIdentifier,
        entries: entriesOf(records, thisUpdateMs),
      },
      signatureAlgorithm,
    )
    const list = RevocationList.parse(
      assembleSigned(tbs, signatureAlgorithm, await signChecked(tbs, signatureAlgorithm, signer, publicKey)),
    )
    runLints(listLints, {
      list,
      issuer: certificate,
      lastNumber,
      previous,
      records,
      maximumTtlSeconds: ttlSeconds,
      maximumOctets,
    })
    this.#previous = {
      list,
      publicKey,
      notAfterMs: Float64Array.from(records, ({ notAfter }) => notAfter.getTime()),
    }
    return list
  }

  /** The time in milliseconds, or one more than the last: it grows over restarts too, without a counter to keep. */
  #number(thisUpdateMs: number): bigint {
    const time = BigInt(thisUpdateMs)
    this.#last = time > this.#last ? time : this.#last + 1n
    return this.#last
  }
}

/** In the order of their revocation, which is that of the entries: two lists of the same state are alike. */
function inOrder(records: readonly CertificateRecord[], thisUpdateMs: number): CertificateRecord[] {
  return records
    .filter(({ revocation }) => revocation !== undefined)
    .sort((a, b) => revocationMs(a, thisUpdateMs) - revocationMs(b, thisUpdateMs))
}

function* entriesOf(
  records: readonly CertificateRecord[],
  thisUpdateMs: number,
): Generator<RevokedCertificate> {
  for (const record of records) {
    yield {
      serialNumber: record.serialNumber,
      revocationDate: new Date(revocationMs(record, thisUpdateMs)),
      reason: record.revocation?.reason,
    }
  }
}

/** Clocks of several machines differ: never before the certificate, and never after the list that says so. */
function revocationMs({ revocation, intendedAt }: CertificateRecord, thisUpdateMs: number): number {
  return Math.min(
    wholeSecond(Math.max(revocation?.revokedAt.getTime() ?? 0, intendedAt.getTime())),
    thisUpdateMs,
  )
}

const defaultTtlSeconds = 24 * 3600
/** Some 1.4 million entries: more than clients fetch gladly. */
const maximumOctets = 64 * 1024 * 1024
