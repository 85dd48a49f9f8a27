// Answers OCSP requests from the records of the CA (RFC 6960, RFC 5019): signed by a delegated key, kept
// while they are current.

import { isPkiError } from '../../errors/index.ts'
import { bytesKey } from '../../internal/bytes.ts'
import { LruMap } from '../../internal/lru-map.ts'
import type { Clock } from '../../runtime/index.ts'
import { OcspRequest, OcspResponse, buildOcspResponse } from '../../x509/index.ts'
import type { Certificate, OcspCertificateId, Signer } from '../../x509/index.ts'
import { serialNumberFromBytes } from '../../x509/internal.ts'
import type { OcspCertificateStatus, OcspResponseFields } from '../../x509/internal.ts'
import type { CaStorage } from '../records/ca-storage.ts'
import type { KeyIdentifier } from '../records/certificate-record.ts'
import { ResponderKey } from './responder-key.ts'

/** What a responder says to one request. */
export interface OcspAnswer {
  /** DER of the OCSPResponse. */
  readonly response: Uint8Array
  /**
   * How long a cache may keep it, in seconds; 0 for a response with a nonce, and for one that says why there
   * is no answer.
   */
  readonly maxAgeSeconds: number
  /**
   * What the store or the signer failed with, where the response is `tryLater`; for the log, not for the
   * client.
   */
  readonly failure?: unknown
}

/** What answers are made with. */
export interface OcspSettings {
  readonly storage: CaStorage
  readonly clock: Clock
  /** From thisUpdate to nextUpdate. */
  readonly ttlSeconds: number
}

/** What is asked, and what the store says to it. */
interface OcspQuestion {
  readonly certificateIds: readonly OcspCertificateId[]
  readonly nonce: Uint8Array | undefined
  readonly statuses: readonly OcspCertificateStatus[]
  /** Undefined for an answer that is not kept. */
  readonly cacheKey: string | undefined
}

type SingleResponse = OcspResponseFields['responses'][number]

/** The responder of one CA: it has a delegated key for each key that the CA signs or has signed with. */
export class OcspResponder {
  readonly #settings: OcspSettings
  readonly #keys = new Map<KeyIdentifier, ResponderKey>()
  /** Signed answers about one certificate, in the order of their use. */
  readonly #signed = new Map<string, { readonly answered: SingleResponse; readonly response: Uint8Array }>()

  /** Recent requests, by their octets. */
  readonly #requests = new LruMap<string, OcspRequest>(maxRequests)
  /** Answers that are being signed before they are asked for. */
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

  /** Never throws for what a stranger sends: the refusals of RFC 6960 §2.3 say what was wrong. */
  async answer(der: Uint8Array): Promise<OcspAnswer> {
    let request: OcspRequest
    try {
      request = this.#read(der)
    } catch (error) {
      if (!isPkiError(error)) throw error
      return refusal('malformedRequest')
    }
    const key = this.#keyFor(request)
    if (key === undefined) return refusal('unauthorized')
    try {
      return await this.#signedAnswer(request, key)
    } catch (failure) {
      // The store or the signer is away. RFC 6960 §2.3: the client may come again.
      return { ...refusal('tryLater'), failure }
    }
  }

  /** Clients ask the same again and again: short requests without a nonce are read once. */
  #read(der: Uint8Array): OcspRequest {
    if (der.length > maxKeptRequest) return OcspRequest.parse(der)
    const key = bytesKey(der)
    const known = this.#requests.peek(key)
    if (known !== undefined) return known
    const request = OcspRequest.parse(der)
    if (request.nonce === undefined) this.#requests.set(key, request)
    return request
  }

  /** One response is signed by the delegate of one CA key: all certificates must be of that key, and few. */
  #keyFor({ certificateIds }: OcspRequest): ResponderKey | undefined {
    if (certificateIds.length > maxCertificates) return undefined
    for (const key of this.#keys.values()) if (certificateIds.every((id) => key.isIssuerOf(id))) return key
    return undefined
  }

  async #signedAnswer({ certificateIds, nonce }: OcspRequest, key: ResponderKey): Promise<OcspAnswer> {
    const [onlyId] = certificateIds
    const isOne = certificateIds.length === 1
    const statuses = isOne
      ? [await this.#statusOf(onlyId as OcspCertificateId, key.keyIdentifier)]
      : await Promise.all(certificateIds.map((id) => this.#statusOf(id, key.keyIdentifier)))
    const cacheKey = nonce === undefined && isOne ? bytesKey((onlyId as OcspCertificateId).der) : undefined
    const known =
      cacheKey === undefined ? undefined : this.#current(cacheKey, statuses[0] as OcspCertificateStatus)
    if (known !== undefined) {
      if (known.isEnding) this.#signAhead(cacheKey as string, onlyId as OcspCertificateId, statuses, key)
      return known.answer
    }
    return this.#sign({ certificateIds, nonce, statuses, cacheKey }, key)
  }

  /**
   * What is still asked for gets its next answer before the last one ends, so that no client waits for the
   * signature. A failure is that of the next client.
   */
  #signAhead(
    cacheKey: string,
    id: OcspCertificateId,
    statuses: readonly OcspCertificateStatus[],
    key: ResponderKey,
  ): void {
    if (this.#ahead.has(cacheKey) || this.#ahead.size >= maxAhead) return
    this.#ahead.add(cacheKey)
    this.#sign({ certificateIds: [id], nonce: undefined, statuses, cacheKey }, key)
      .catch(() => undefined)
      .finally(() => this.#ahead.delete(cacheKey))
  }

  async #sign(
    { certificateIds, nonce, statuses, cacheKey }: OcspQuestion,
    key: ResponderKey,
  ): Promise<OcspAnswer> {
    const { signer, certificate } = await key.credential()
    const nowMs = wholeSecond(this.#settings.clock.now())
    // Not beyond the certificate of the responder: the answer is verified with it.
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
    this.#keep(cacheKey, responses[0] as SingleResponse, der)
    return { response: der, maxAgeSeconds: Math.floor((nextUpdateMs - nowMs) / 2000) }
  }

  async #statusOf(id: OcspCertificateId, issuer: KeyIdentifier): Promise<OcspCertificateStatus> {
    // No certificate of this CA has a serial number of more than 20 octets (RFC 5280 §4.1.2.2).
    if (id.serialNumberBytes.length > 20) return { status: 'unknown' }
    const record = await this.#settings.storage.certificates.find({
      issuer,
      serialNumber: serialNumberFromBytes(id.serialNumberBytes),
    })
    if (record === undefined || record.state === 'failed') return { status: 'unknown' }
    const { revocation } = record
    // A certificate whose outcome is not recorded counts as issued.
    if (revocation === undefined) return { status: 'good' }
    const revokedAt = new Date(wholeSecond(revocation.revokedAt.getTime()))
    return { status: 'revoked', revokedAt, reason: revocation.reason }
  }

  /** A signed answer that still says what the store says, in the first half of its life. */
  #current(
    cacheKey: string,
    status: OcspCertificateStatus,
  ): { readonly answer: OcspAnswer; readonly isEnding: boolean } | undefined {
    const found = this.#signed.get(cacheKey)
    if (found === undefined) return undefined
    const { thisUpdate, nextUpdate, certificateStatus } = found.answered
    const startMs = thisUpdate.getTime()
    const middleMs = (startMs + (nextUpdate?.getTime() ?? startMs)) / 2
    const nowMs = this.#settings.clock.now()
    this.#signed.delete(cacheKey)
    if (nowMs < startMs || nowMs >= middleMs || !isSame(certificateStatus, status)) return undefined
    this.#signed.set(cacheKey, found)
    return {
      answer: { response: found.response, maxAgeSeconds: Math.floor((middleMs - nowMs) / 1000) },
      isEnding: nowMs >= middleMs - (middleMs - startMs) / 5,
    }
  }

  #keep(cacheKey: string, answered: SingleResponse, response: Uint8Array): void {
    this.#signed.set(cacheKey, { answered, response })
    if (this.#signed.size <= maxSigned) return
    const [oldest] = this.#signed.keys()
    if (oldest !== undefined) this.#signed.delete(oldest)
  }
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

/** Signed answers that are kept: some 1 KiB each. */
const maxSigned = 10_000
/** Requests that are kept: at most 1 KiB each. */
const maxRequests = 2_000
/** Octets of a request about one certificate, by SHA-256, with room to spare. */
const maxKeptRequest = 160
/** Signed ahead at once. */
const maxAhead = 32
/** In one request: clients ask about one, and each is a look-up in the store. */
const maxCertificates = 16
