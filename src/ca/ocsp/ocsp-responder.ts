// Answers OCSP requests from the records of the CA (RFC 6960, RFC 5019): signed by a delegated key, kept
// while they are current.

import { hash } from 'node:crypto'
import { isPkiError } from '../../errors/index.ts'
import { bytesKey } from '../../internal/bytes.ts'
import { LruMap } from '../../internal/lru-map.ts'
import type { Clock } from '../../runtime/index.ts'
import { OcspRequest, OcspResponse, buildOcspResponse } from '../../x509/index.ts'
import type { Certificate, OcspCertificateId, SerialNumber, Signer } from '../../x509/index.ts'
import { serialNumberFromBytes } from '../../x509/internal.ts'
import type { OcspCertificateStatus, OcspResponseFields } from '../../x509/internal.ts'
import type { CaStorage } from '../records/ca-storage.ts'
import type { KeyIdentifier } from '../records/certificate-record.ts'
import { recordedStatus } from '../records/recorded-status.ts'
import { ResponderKey } from './responder-key.ts'

/** The response to one request. */
export interface OcspAnswer {
  /** DER of the OCSPResponse. */
  readonly response: Uint8Array
  /** How long a cache may keep it, in seconds; 0 for a response with a nonce, and for an error response. */
  readonly maxAgeSeconds: number
  /** The SHA-256 of a cached response in base64url, for the entity tag of HTTP. */
  readonly tag?: string | undefined
  /** The error of the store or the signer if the response is `tryLater`; for the log, not for the client. */
  readonly failure?: unknown
}

/** The settings of responses. */
export interface OcspSettings {
  readonly storage: CaStorage
  readonly clock: Clock
  /** Time from thisUpdate to nextUpdate. */
  readonly ttlSeconds: number
}

/** A parsed request, with values derived only from its octets. */
interface OcspQuestion {
  readonly certificateIds: readonly OcspCertificateId[]
  readonly nonce: Uint8Array | undefined
  /**
   * The serial numbers in the form of the records; undefined for one that no certificate of a CA can have.
   */
  readonly serialNumbers: readonly (SerialNumber | undefined)[]
  /** Undefined for a response that is not cached. */
  readonly cacheKey: string | undefined
}

type Statuses = readonly OcspCertificateStatus[]

type SingleResponse = OcspResponseFields['responses'][number]

interface SignedAnswer {
  readonly answered: SingleResponse
  readonly response: Uint8Array
  readonly tag: string
}

/** The responder of one CA: it has a delegated key for each key that the CA signs or has signed with. */
export class OcspResponder {
  readonly #settings: OcspSettings
  readonly #keys = new Map<KeyIdentifier, ResponderKey>()
  /** Signed responses about one certificate, least recently used first. */
  readonly #signed = new Map<string, SignedAnswer>()

  /** Recent requests, by their octets. */
  readonly #questions = new LruMap<string, OcspQuestion>(maxRequests)
  /** Responses that are being signed ahead of a request. */
  readonly #ahead = new Set<string>()

  constructor(settings: OcspSettings) {
    this.#settings = settings
  }

  /** Adds the key of a CA certificate. */
  add({ certificate, signer }: { readonly certificate: Certificate; readonly signer: Signer }): void {
    const added = new ResponderKey(certificate, signer, this.#settings.clock)
    if (this.#keys.get(added.keyIdentifier)?.issuer.equals(certificate) !== true)
      this.#keys.set(added.keyIdentifier, added)
    for (const [other, { issuer }] of this.#keys)
      if (this.#settings.clock.now() >= issuer.notAfterMs) this.#keys.delete(other)
  }

  /** Never throws for the content of a request: the error responses of RFC 6960 §2.3 report the fault. */
  async answer(der: Uint8Array): Promise<OcspAnswer> {
    let question: OcspQuestion
    try {
      question = this.#read(der)
    } catch (error) {
      if (!isPkiError(error)) throw error
      return refusal('malformedRequest')
    }
    const key = this.#keyFor(question)
    if (key === undefined) return refusal('unauthorized')
    try {
      return await this.#signedAnswer(question, key)
    } catch (failure) {
      // The store or the signer is unavailable. RFC 6960 §2.3: the client may try later.
      return { ...refusal('tryLater'), failure }
    }
  }

  /** Short requests without a nonce are parsed once, because clients send the same request repeatedly. */
  #read(der: Uint8Array): OcspQuestion {
    if (der.length > maxKeptRequest) return questionOf(OcspRequest.parse(der))
    const key = bytesKey(der)
    const known = this.#questions.peek(key)
    if (known !== undefined) return known
    const question = questionOf(OcspRequest.parse(der))
    if (question.nonce === undefined) this.#questions.set(key, question)
    return question
  }

  /**
   * One response is signed by the delegate of one CA key: all certificates of the request must be of that
   * key, and their number is limited.
   */
  #keyFor({ certificateIds }: OcspQuestion): ResponderKey | undefined {
    if (certificateIds.length > maxCertificates) return undefined
    for (const key of this.#keys.values()) if (certificateIds.every((id) => key.isIssuerOf(id))) return key
    return undefined
  }

  async #signedAnswer(question: OcspQuestion, key: ResponderKey): Promise<OcspAnswer> {
    const { serialNumbers, cacheKey } = question
    if (cacheKey === undefined) {
      const found = serialNumbers.map((one) => this.#statusOf(one, key.keyIdentifier))
      return this.#sign(question, await Promise.all(found), key)
    }
    const status = await this.#statusOf(serialNumbers[0], key.keyIdentifier)
    const known = this.#current(cacheKey, status)
    if (known === undefined) return this.#sign(question, [status], key)
    if (known.isEnding) this.#signAhead(question, [status], key)
    return known.answer
  }

  /**
   * A response that is still requested is replaced before it ends, so that no client waits for the signature.
   * A failure is reported by the next request.
   */
  #signAhead(question: OcspQuestion, statuses: Statuses, key: ResponderKey): void {
    const cacheKey = question.cacheKey as string
    if (this.#ahead.has(cacheKey) || this.#ahead.size >= maxAhead) return
    this.#ahead.add(cacheKey)
    this.#sign(question, statuses, key)
      .catch(() => undefined)
      .finally(() => this.#ahead.delete(cacheKey))
  }

  async #sign(
    { certificateIds, nonce, cacheKey }: OcspQuestion,
    statuses: Statuses,
    key: ResponderKey,
  ): Promise<OcspAnswer> {
    const { signer, certificate } = await key.credential()
    const nowMs = wholeSecond(this.#settings.clock.now())
    // At most until the certificate of the responder ends, because the answer is verified with it.
    const nextUpdateMs = Math.min(nowMs + this.#settings.ttlSeconds * 1000, certificate.notAfterMs)
    const responses = certificateIds.map((certificateId, i) => ({
      certificateId,
      certificateStatus: statuses[i] as OcspCertificateStatus,
      thisUpdate: new Date(nowMs),
      nextUpdate: new Date(nextUpdateMs),
    }))
    const producedAt = new Date(nowMs)
    const { der } = await buildOcspResponse(
      { producedAt, responses, certificates: [certificate], ...(nonce && { nonce }) },
      signer,
    )
    if (cacheKey === undefined) return { response: der, maxAgeSeconds: 0 }
    const tag = hash('sha256', der, 'base64url')
    this.#keep(cacheKey, { answered: responses[0] as SingleResponse, response: der, tag })
    return { response: der, tag, maxAgeSeconds: Math.floor((nextUpdateMs - nowMs) / 2000) }
  }

  async #statusOf(
    serialNumber: SerialNumber | undefined,
    issuer: KeyIdentifier,
  ): Promise<OcspCertificateStatus> {
    if (serialNumber === undefined) return { status: 'unknown' }
    const recorded = await recordedStatus(this.#settings.storage.certificates, { issuer, serialNumber })
    if (recorded === undefined || recorded.state === 'failed') return { status: 'unknown' }
    const { revocation } = recorded
    // A certificate whose outcome is not recorded counts as issued.
    if (revocation === undefined) return { status: 'good' }
    const revokedAt = new Date(wholeSecond(revocation.revokedAt.getTime()))
    return { status: 'revoked', revokedAt, reason: revocation.reason }
  }

  /** A signed response that agrees with the store, in the first half of its validity. */
  #current(
    cacheKey: string,
    status: OcspCertificateStatus,
  ): { readonly answer: OcspAnswer; readonly isEnding: boolean } | undefined {
    const found = this.#signed.get(cacheKey)
    if (found === undefined) return undefined
    const { answered, response, tag } = found
    const { thisUpdate, nextUpdate, certificateStatus } = answered
    const startMs = thisUpdate.getTime()
    const middleMs = (startMs + (nextUpdate?.getTime() ?? startMs)) / 2
    const nowMs = this.#settings.clock.now()
    this.#signed.delete(cacheKey)
    if (nowMs < startMs || nowMs >= middleMs || !isSame(certificateStatus, status)) return undefined
    this.#signed.set(cacheKey, found)
    return {
      answer: { response, tag, maxAgeSeconds: Math.floor((middleMs - nowMs) / 1000) },
      isEnding: nowMs >= middleMs - (middleMs - startMs) / 5,
    }
  }

  #keep(cacheKey: string, answer: SignedAnswer): void {
    this.#signed.set(cacheKey, answer)
    if (this.#signed.size <= maxSigned) return
    const [oldest] = this.#signed.keys()
    if (oldest !== undefined) this.#signed.delete(oldest)
  }
}

function questionOf({ certificateIds, nonce }: OcspRequest): OcspQuestion {
  const [first] = certificateIds
  const isKept = nonce === undefined && certificateIds.length === 1 && first !== undefined
  return {
    certificateIds,
    nonce,
    serialNumbers: certificateIds.map(serialNumberOf),
    cacheKey: isKept ? bytesKey(first.der) : undefined,
  }
}

/** No certificate of a CA has a serial number of more than 20 octets (RFC 5280 §4.1.2.2). */
function serialNumberOf({ serialNumberBytes }: OcspCertificateId): SerialNumber | undefined {
  return serialNumberBytes.length > 20 ? undefined : serialNumberFromBytes(serialNumberBytes)
}

function refusal(status: 'malformedRequest' | 'unauthorized' | 'tryLater'): OcspAnswer {
  return { response: OcspResponse.refusal(status).der, maxAgeSeconds: 0 }
}

function isSame(a: OcspCertificateStatus, b: OcspCertificateStatus): boolean {
  if (a.status !== 'revoked' || b.status !== 'revoked') return a.status === b.status
  return a.reason === b.reason && a.revokedAt?.getTime() === b.revokedAt?.getTime()
}

/** GeneralizedTime of OCSP has no fractions. */
function wholeSecond(ms: number): number {
  return Math.floor(ms / 1000) * 1000
}

/** Maximum number of cached responses, about 1 KiB each. */
const maxSigned = 10_000
/** Maximum number of cached requests, at most 1 KiB each. */
const maxRequests = 2_000
/** The maximum length of a cached request; a request about one certificate by SHA-256 is shorter. */
const maxKeptRequest = 160
/** Maximum number of responses that are signed ahead at once. */
const maxAhead = 32
/**
 * Maximum number of certificates in one request: clients usually request one, and each is a look-up in the
 * store.
 */
const maxCertificates = 16
