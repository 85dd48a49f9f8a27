// Proof that bytes passed the lints of one CA: created by the CA, valid once, for a minute.

import { PkiError } from '../../errors/index.ts'
import type { Clock } from '../../runtime/index.ts'
import type { SerialNumber } from '../../x509/index.ts'
import type { LintedLeaf } from '../profile/fast-leaf.ts'
import { keyIdentifierOf } from '../records/certificate-record.ts'
import type { KeyIdentifier } from '../records/certificate-record.ts'
import type { PreparedCertificate, ShortenedValidity } from './issued-certificate.ts'
import type { Issuer } from './issuer/issuer.ts'

/** The prepared bytes behind a token. */
export interface PreparedBytes {
  readonly linted: LintedLeaf
  readonly issuer: Issuer
  readonly shortened: ShortenedValidity | undefined
}

/**
 * A prepared certificate. Only the CA that signs it can create one: its private field cannot be forged, and
 * the first use clears it.
 */
export class PreparedToken implements PreparedCertificate {
  readonly #bytes: PreparedBytes
  readonly #wallMs: number
  readonly #monotonicMs: number
  #authority: object | undefined

  constructor(authority: object, bytes: PreparedBytes, wallMs: number, monotonicMs: number) {
    this.#authority = authority
    this.#bytes = bytes
    this.#wallMs = wallMs
    this.#monotonicMs = monotonicMs
  }

  get serialNumber(): SerialNumber {
    return this.#bytes.linted.serialNumber
  }

  get issuer(): KeyIdentifier {
    return this.#bytes.issuer.keyIdentifier
  }

  get keyIdentifier(): KeyIdentifier {
    return keyIdentifierOf(this.#bytes.linted.publicKey.keyIdentifier)
  }

  get tbs(): Uint8Array {
    return new Uint8Array(this.#bytes.linted.tbs)
  }

  get notAfter(): Date {
    return this.#bytes.linted.notAfter
  }

  get shard(): string {
    return this.#bytes.issuer.shardOf(this.#bytes.linted)
  }

  get shortened(): ShortenedValidity | undefined {
    return this.#bytes.shortened
  }

  /**
   * Returns the bytes of a token of `authority` that was not used before and is at most 60 s old.
   *
   * @throws ERR_INVALID_ARGUMENT, ERR_PREPARED_EXPIRED
   */
  static use(prepared: unknown, authority: object, clock: Clock): PreparedBytes {
    if (
      typeof prepared !== 'object' ||
      prepared === null ||
      !(#authority in prepared) ||
      prepared.#authority !== authority
    )
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        'the prepared certificate is not from this CA, or was signed before',
      )
    prepared.#authority = undefined
    // Both clocks are checked: the monotonic one stops while a machine sleeps, the wall clock can be set.
    const age = Math.max(clock.monotonic() - prepared.#monotonicMs, Math.abs(clock.now() - prepared.#wallMs))
    if (age > maxAgeMs)
      throw new PkiError(
        'ERR_PREPARED_EXPIRED',
        `the certificate was prepared ${Math.round(age / 1000)} s ago; ` +
          `it must be signed within ${maxAgeMs / 1000} s`,
      )
    return prepared.#bytes
  }
}

/**
 * Maximum time from lint to signature, during which the clock, the CA and the policy are assumed unchanged.
 */
const maxAgeMs = 60_000
