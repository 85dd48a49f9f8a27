// Checks the response of a CA before use.

import { PkiError, isPkiError } from '../../../errors/index.ts'
import { Certificate } from '../../../x509/index.ts'
import type { CertificateRequest } from '../../../x509/index.ts'

/** A checked response. @inline */
export interface CertificateReply {
  /** The certificate for the key of the request. */
  readonly certificate: Certificate
  /** Leaf first, then its issuers as the CA sent them, without the roots. */
  readonly chain: readonly Certificate[]
  /** The certificates of the last element of the response. */
  readonly roots: readonly Certificate[]
}

/**
 * Verifies the chain, leaf first, with the roots of the response, synchronously; every result but `ok: true`
 * refuses the response.
 */
export type ReplyVerifier = (
  chain: readonly Certificate[],
  roots: readonly Certificate[],
) => {
  readonly ok: boolean
  readonly rejected?:
    readonly { readonly code: string; readonly rule: string; readonly message: string }[] | undefined
}

/**
 * Reads `cert_chain`: one certificate per element, the last being a bundle of one or more roots.
 *
 * @param nowMs The time at which the leaf must be valid.
 * @throws ERR_CA_REPLY
 */
export function checkCertificateReply(
  certChain: readonly string[],
  request: CertificateRequest,
  nowMs: number,
  verify: ReplyVerifier | undefined,
): CertificateReply {
  if (certChain.length < 2)
    throw bad(`cert_chain has ${certChain.length} elements; expected at least a certificate and a root`)
  if (certChain.length > maxElements)
    throw bad(`cert_chain has ${certChain.length} elements; the maximum is ${maxElements}`)
  const { chain, roots } = parse(certChain)
  const certificate = chain[0] as Certificate
  if (!certificate.publicKey.equals(request.publicKey))
    throw bad('the key of the certificate is not the key of the request')
  // The last second is inclusive (RFC 5280 §4.1.2.5).
  if (certificate.notBeforeMs > nowMs)
    throw bad(`the certificate is not valid yet: ${timesOf(certificate, nowMs)}`)
  if (certificate.notAfterMs + 1000 <= nowMs)
    throw bad(`the certificate has expired: ${timesOf(certificate, nowMs)}`)
  if (verify !== undefined) checkVerdict(verify(chain, roots))
  return { certificate, chain, roots }
}

/** Both dates and the clock: one of the two machines has the wrong time. */
function timesOf({ notBefore, notAfter, serialNumber }: Certificate, nowMs: number): string {
  return (
    `notBefore ${notBefore.toISOString()}, notAfter ${notAfter.toISOString()}, ` +
    `clock ${new Date(nowMs).toISOString()}, serial number ${serialNumber}`
  )
}

/** A Promise or undefined does not count as acceptance. */
function checkVerdict(verdict: Partial<ReturnType<ReplyVerifier>> | undefined): void {
  if (verdict?.ok === true) return
  if (verdict?.ok !== false) throw bad('the chain is refused: verify did not return a verdict')
  const [first] = verdict.rejected ?? []
  throw bad(
    'the chain is refused: ' +
      (first === undefined ? 'no reason given' : `${first.message} (${first.code}, ${first.rule})`),
  )
}

/** At least one certificate per element: text without any is not PEM. */
function parse(certChain: readonly string[]): { chain: Certificate[]; roots: Certificate[] } {
  try {
    return {
      // Istio's servers may put several certificates into one element if a plugged-in chain has them.
      chain: certChain.slice(0, -1).flatMap((pem) => Certificate.listFromPem(pem)),
      roots: Certificate.listFromPem(certChain.at(-1) ?? ''),
    }
  } catch (cause) {
    throw bad(
      `cert_chain cannot be read: ${isPkiError(cause) ? `${cause.code}: ${cause.message}` : 'malformed'}`,
      cause,
    )
  }
}

function bad(message: string, cause?: unknown): PkiError {
  return new PkiError('ERR_CA_REPLY', message, { cause })
}

const maxElements = 32
