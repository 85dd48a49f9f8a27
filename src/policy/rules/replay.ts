// Applies a changed policy to the issuance history: which certificates it would refuse or change, before it
// is put into use.

import type { Caller } from '../../auth/index.ts'
import type { CertificateRecord, CertificateStore } from '../../ca/index.ts'
import type { CertificateId } from '../../ca/internal.ts'
import { PkiError } from '../../errors/index.ts'
import { readOptions } from '../../internal/options.ts'
import type { SpiffeId } from '../../spiffe/index.ts'
import { Certificate, buildCertificateRequest, generalName } from '../../x509/index.ts'
import { formatGeneralName } from '../../x509/internal.ts'
import type { CertificateRequest, Signer } from '../../x509/index.ts'
import type { IssuancePolicy, PolicyRequest } from '../issuance-policy.ts'

/** The decision of the policy about one issued certificate. */
export interface ReplayedCertificate extends CertificateId {
  readonly identity: string
  readonly issuedAt: Date
  /**
   * `unknown`: the policy needs facts that the record does not have, such as claims, so its decision about
   * the original request is not known.
   */
  readonly outcome: 'same' | 'differs' | 'refused' | 'unknown'
  /** The rule of the policy, and the rule of the record. */
  readonly rule: string
  readonly ruleBefore: string
  /** As text: the differences, the reason of a refusal, or the missing facts. */
  readonly reasons: readonly string[]
}

/** Options of `replayPolicy`. */
export interface ReplayOptions {
  /** Only certificates issued from this time on. Default: all in the store. */
  readonly since?: Date
  readonly signal?: AbortSignal | undefined
}

/**
 * Applies a policy to the recorded issuance history, for the time of each record. A record has the names, the
 * key and the validity of the certificate, and the credential and identities of its caller. It does not have
 * the claims and the address of the caller: a decision that needs them has the outcome `unknown`. Rate limits
 * do not count replayed records.
 *
 * @throws the errors of the store; ERR_ABORTED
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
    if (signal?.aborted === true)
      throw new PkiError('ERR_ABORTED', 'the replay was aborted', { cause: signal.reason })
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
  const csr = await requestOf(certificate, identity, caller.identities)
  const ttlSeconds = Math.round((certificate.notAfterMs - intendedAt.getTime()) / 1000)
  const { facts, missing } = recordedFacts({ csr, ttlSeconds, dryRun: true, time: intendedAt }, caller)
  const decision = await policy.decide(...facts)
  const found = { issuer, serialNumber, identity: identity.toString(), issuedAt: intendedAt, ruleBefore }
  const { rule } = decision
  if (missing.size > 0) {
    const reasons = [`cannot be decided: the record does not have ${[...missing].join(', ')}`]
    return { ...found, outcome: 'unknown', rule, reasons }
  }
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
 * The request and the caller of a record; `missing` collects the facts that the policy reads and records
 * lack.
 */
function recordedFacts(
  request: PolicyRequest,
  caller: Pick<Caller, 'identities' | 'credential'>,
): { readonly facts: Parameters<IssuancePolicy['decide']>; readonly missing: ReadonlySet<string> } {
  const missing = new Set<string>()
  const reads = (_: object, name: string | symbol): undefined => {
    missing.add(`the claim ${JSON.stringify(String(name).slice(0, 64))}`)
  }
  const claims = new Proxy<Caller['claims']>(
    {},
    {
      get: reads,
      getOwnPropertyDescriptor: reads,
      has: (_, name) => {
        reads(_, name)
        return false
      },
      ownKeys: () => {
        missing.add('the claims of the caller')
        return []
      },
    },
  )
  return {
    missing,
    facts: [
      {
        ...request,
        get source(): undefined {
          missing.add('the address of the caller')
          return undefined
        },
      },
      {
        ...caller,
        claims,
        get kubernetes(): undefined {
          missing.add('the Kubernetes facts of the caller')
          return undefined
        },
      },
    ],
  }
}

/**
 * A request like the original one. Its signature does not verify: policies decide before the signature is
 * verified.
 */
function requestOf(
  { publicKey, subject, subjectAltName = [] }: Certificate,
  identity: SpiffeId,
  identities: readonly SpiffeId[],
): Promise<CertificateRequest> {
  const names = subjectAltName.filter((name) => !(name.type === 'uri' && identity.equals(name.value)))
  // A caller with several identities selected one by its name; the identity of a record is canonical, so an
  // alias of its trust domain may have been named. A certificate with the most names has no place for it.
  if (identities.length > 1) {
    const sameName = identities.find((id) => id.equals(identity))
    const named = sameName ?? identities.find((id) => id.path === identity.path) ?? identity
    names.unshift(generalName.uri(named.toString()))
  }
  const signer: Signer = {
    id: 'replay',
    publicKey,
    signatureAlgorithm: 'ecdsa-with-SHA256',
    sign: () => Uint8Array.of(0x30, 0),
  }
  const asked = names.length === 0 ? {} : { subjectAltName: names }
  return buildCertificateRequest({ subject, extensions: asked }, signer)
}
