// A changed policy over what was issued: which certificates it would refuse or change, before it is switched
// on.

import type { Caller } from '../../auth/index.ts'
import type { CertificateRecord, CertificateStore } from '../../ca/index.ts'
import type { CertificateId } from '../../ca/internal.ts'
import { readOptions } from '../../internal/options.ts'
import type { SpiffeId } from '../../spiffe/index.ts'
import { Certificate, buildCertificateRequest, generalName } from '../../x509/index.ts'
import { formatGeneralName } from '../../x509/internal.ts'
import type { CertificateRequest, Signer } from '../../x509/index.ts'
import type { IssuancePolicy } from '../issuance-policy.ts'

/** What the policy says of one certificate that was issued. */
export interface ReplayedCertificate extends CertificateId {
  readonly identity: string
  readonly issuedAt: Date
  readonly outcome: 'same' | 'differs' | 'refused'
  /** The rule that decides now, and the one that did. */
  readonly rule: string
  readonly ruleBefore: string
  /** What would be different, or why it would be refused, in words. */
  readonly reasons: readonly string[]
}

/** Options of `replayPolicy`. */
export interface ReplayOptions {
  /** Certificates issued from this time on. Default: all that the store has. */
  readonly since?: Date | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Decides again over the recorded issuance history. A record has the names, the key and the validity of the
 * certificate and the identities of its caller; it has no claims, so rules with `requiredClaims` are reported
 * as refusals. Nothing is counted by rate limits.
 *
 * @throws what the store throws; ERR_ABORTED
 */
export async function* replayPolicy(
  store: Pick<CertificateStore, 'query'>,
  policy: IssuancePolicy,
  given?: ReplayOptions,
): AsyncGenerator<ReplayedCertificate> {
  const { since, signal } = readOptions('replayPolicy', given, { since: 'guard', signal: 'optional' })
  const conditions = { state: 'issued' as const, limit: 500, ...(since && { intendedFrom: since }) }
  let after: string | undefined
  do {
    signal?.throwIfAborted()
    const page = await store.query({ ...conditions, after })
    for (const record of page.items) {
      if (record.certificate === undefined) continue
      yield await replay(record, Certificate.parse(record.certificate), policy)
    }
    after = page.next
  } while (after !== undefined)
}

async function replay(
  { issuer, serialNumber, identity, intendedAt, rule: ruleBefore, caller }: CertificateRecord,
  certificate: Certificate,
  policy: IssuancePolicy,
): Promise<ReplayedCertificate> {
  const names = certificate.subjectAltName ?? []
  const csr = await requestOf(certificate, identity)
  const ttlSeconds = Math.round((certificate.notAfterMs - intendedAt.getTime()) / 1000)
  const recorded: Caller = { ...caller, claims: {} }
  const decision = await policy.decide({ csr, ttlSeconds, dryRun: true }, recorded)
  const found = { issuer, serialNumber, identity: identity.toString(), issuedAt: intendedAt, ruleBefore }
  const { rule } = decision
  if (!decision.allowed) return { ...found, outcome: 'refused', rule, reasons: [decision.reason] }
  const { subjectAltName, maxTtlSeconds = Infinity } = decision.content
  const reasons: string[] = []
  const before = names.map(formatGeneralName)
  const now = subjectAltName.map(formatGeneralName)
  for (const name of before) if (!now.includes(name)) reasons.push(`without ${name}`)
  for (const name of now) if (!before.includes(name)) reasons.push(`with ${name}`)
  if (ttlSeconds > maxTtlSeconds) reasons.push(`validity: ${ttlSeconds} s cut to ${maxTtlSeconds} s`)
  return { ...found, outcome: reasons.length === 0 ? 'same' : 'differs', rule, reasons }
}

/**
 * The request as it may have been: policies judge one before its signature is verified, so it has none that
 * verifies.
 */
function requestOf(
  { publicKey, subject, subjectAltName = [] }: Certificate,
  identity: SpiffeId,
): Promise<CertificateRequest> {
  // Of a caller with several identities: which one. A certificate may be without it.
  const isNamed = subjectAltName.some(({ type }) => type === 'uri')
  const names = isNamed ? subjectAltName : [generalName.uri(identity.toString()), ...subjectAltName]
  const signer: Signer = {
    id: 'replay',
    publicKey,
    signatureAlgorithm: 'ecdsa-with-SHA256',
    sign: () => Uint8Array.of(0x30, 0),
  }
  return buildCertificateRequest({ subject, extensions: { subjectAltName: names } }, signer)
}
