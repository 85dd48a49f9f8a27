// The status in one OCSP response, and the settings for judging responses.

import type { Certificate, PublicKey } from '../../../x509/index.ts'
import type { BasicOcspResponse, OcspSingleResponse } from '../../../x509/internal.ts'
import type { RevocationQuery } from '../../revocation-contract.ts'

/** An answer, or the reason why there is none. */
export type OcspAnswer =
  | { readonly status: 'good'; readonly response: OcspSingleResponse }
  | { readonly status: 'revoked'; readonly response: OcspSingleResponse; readonly stale: boolean }
  | { readonly status: 'unknown'; readonly rule: string; readonly reason: string }

/** The faults of responses that are used only for revocations. */
export type FormFaults = WeakMap<BasicOcspResponse, string>

/** The content of a given response, or why it has none. */
export type GivenAnswer = BasicOcspResponse | string

/** A certificate in a response, and why its holder cannot show a good status. */
export interface SentResponder {
  readonly certificate: Certificate
  readonly malformed: string | undefined
}

/** The inputs of a checker. */
export interface OcspSettings {
  readonly answersFor: (query: RevocationQuery) => readonly GivenAnswer[]
  readonly formFaults: FormFaults
  readonly nonce: Uint8Array | undefined
  readonly maxAgeMs: number
  readonly skewMs: number
  readonly responders: readonly Certificate[]
  /** Keys that verified an earlier response. */
  readonly signedBy: WeakMap<BasicOcspResponse, PublicKey>
  /** Certificates included in responses, parsed before. */
  readonly sent: WeakMap<BasicOcspResponse, readonly SentResponder[]>
}

/** The result without an answer: the clause and the reason. */
export function unknown(rule: string, reason: string): Extract<OcspAnswer, { status: 'unknown' }> {
  return { status: 'unknown', rule, reason }
}

/** The clause of an answer that is about no certificate, or about another one. */
export const notAboutRule = 'RFC 6960 §3.2 1'
/** The result if no response covers the certificate. */
export const notAbout: OcspAnswer = unknown(notAboutRule, 'no OCSP response covers it')
