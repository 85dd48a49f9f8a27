// Reads, copies and checks the form of arguments once, before anything is decided or awaited.

import { checkCaller } from '../auth/require-caller.ts'
import type { Caller } from '../auth/index.ts'
import { PkiError } from '../errors/index.ts'
import { parseIpAddress } from '../internal/ip-address.ts'
import { readOptions } from '../internal/options.ts'
import { CertificateRequest } from '../x509/index.ts'
import type { CertificateRequestInput } from '../x509/internal.ts'

/** A request for a certificate. */
export interface IssuanceRequest {
  /** At most 64 KiB; octets are copied. */
  readonly csr: CertificateRequestInput
  /** The validity in seconds. Default: the profile's. */
  readonly ttlSeconds?: number | undefined
  /**
   * With the same key, a retry returns the first certificate instead of a second one: 1 to 256 characters,
   * chosen by the caller for each certificate. It applies to one identity and one subject key. With another
   * subject key, or after the certificate was revoked or has expired, the request is refused with
   * ERR_IDEMPOTENCY_KEY.
   */
  readonly idempotencyKey?: string
  /**
   * The IP address of the caller, for policies with networks and limits by source. Use the address of the
   * connection, never that in a header, which the caller may have written.
   */
  readonly source?: string | undefined
  /**
   * Requests a receipt with the answer: the proof that the certificate is in the audit log of the CA. It is
   * made with the next checkpoint, within about a second. Default false.
   */
  readonly receipt?: boolean
  /** Aborts the request, if nothing was signed yet, with ERR_ABORTED. */
  readonly signal?: AbortSignal | undefined
}

/** A request and its caller, as copies that code outside cannot change. */
export interface AdmittedRequest {
  /** The request; its proof of possession is not verified yet. */
  readonly csr: CertificateRequest
  readonly ttlSeconds: number | undefined
  readonly idempotencyKey: string | undefined
  readonly source: string | undefined
  readonly receipt: boolean
  readonly signal: AbortSignal | undefined
  readonly caller: Caller
}

/**
 * Checks size and form of the request, the strength of its key, and the form of the caller. @throws as
 * `IssuanceService.issue`
 */
export function admit(method: string, request: IssuanceRequest, caller: Caller): AdmittedRequest {
  const {
    csr,
    ttlSeconds,
    idempotencyKey,
    source,
    receipt = false,
    signal,
  } = readOptions<IssuanceRequest>(method, request, {
    csr: 'required',
    ttlSeconds: 'optional',
    idempotencyKey: 'guard',
    source: 'optional',
    receipt: 'guard',
    signal: 'optional',
  })
  throwIfAborted(signal)
  const checked = admitCaller(caller)
  if (idempotencyKey !== undefined && !isIdempotencyKey(idempotencyKey))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `${method}: idempotencyKey must be text of 1 to 256 characters`,
    )
  if (source !== undefined && (typeof source !== 'string' || parseIpAddress(source) === undefined))
    throw new PkiError('ERR_INVALID_ARGUMENT', `${method}: source must be an IP address`)
  if (typeof receipt !== 'boolean')
    throw new PkiError('ERR_INVALID_ARGUMENT', `${method}: receipt must be true or false`)
  const copy = copyOf(csr)
  copy.publicKey.checkStrength()
  return { csr: copy, ttlSeconds, idempotencyKey, source, receipt, signal, caller: checked }
}

/** A frozen copy of a caller. @throws ERR_AUTHENTICATOR_FAILED */
export function admitCaller(caller: Caller): Caller {
  return checkCaller(caller, 'the calling code')
}

/** @throws ERR_ABORTED */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true)
    throw new PkiError('ERR_ABORTED', 'the request was aborted before its certificate was signed')
}

/** The signature of the request is verified later over these octets, so they must not be shared. */
function copyOf(input: CertificateRequestInput): CertificateRequest {
  if (typeof input === 'string') return CertificateRequest.fromPem(input)
  if (input instanceof CertificateRequest) {
    const { der, tolerances } = input
    return CertificateRequest.parse(
      Uint8Array.from(der),
      tolerances.length === 0 ? undefined : { tolerances },
    )
  }
  // Above the limit `from` refuses without a copy.
  if (input instanceof Uint8Array && input.length <= maxPemOctets)
    return CertificateRequest.from(Uint8Array.from(input))
  const { der } = CertificateRequest.from(input)
  return CertificateRequest.parse(Uint8Array.from(der))
}

function isIdempotencyKey(value: unknown): boolean {
  return typeof value === 'string' && value.length > 0 && value.length <= 256
}

const maxPemOctets = 256 * 1024
