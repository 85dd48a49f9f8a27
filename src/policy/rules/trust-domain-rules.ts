// The settings of a policy for the whole trust domain, which no rule overrides: the kinds of names, keys and
// key usages that a request may have, and requirements on revocation.

import type { Caller } from '../../auth/index.ts'
import { keyPurposeOids } from '../../x509/index.ts'
import type { CertificateRequest, GeneralName } from '../../x509/index.ts'
import type { KeyUsageName, PublicKeyAlgorithm } from '../../x509/internal.ts'
import type { DocumentReader } from '../document-reader.ts'
import type { AllowedDecision } from '../frozen-decision.ts'
import type { IssuanceDecision, PolicyRequest } from '../issuance-policy.ts'

/** The settings of a policy document that apply to every rule. @inline */
export interface TrustDomainRules {
  /**
   * Kinds of names that a certificate may have in addition to its SPIFFE ID. Default: those that a rule
   * grants.
   */
  readonly sanKinds?: readonly ('dns' | 'ip')[] | undefined
  /** Algorithms of subject keys: `P-256`, `RSA`, … Default: all that the profile accepts. */
  readonly keyAlgorithms?: readonly string[] | undefined
  /** The shortest RSA key: 2048, 3072 or 4096 bits. Default 2048. */
  readonly minRsaBits?: 2048 | 3072 | 4096 | undefined
  /**
   * Key usages that a request may contain, such as `digitalSignature`. The certificate always has those of
   * the profile. Default: requested usages are ignored.
   */
  readonly keyUsages?: readonly string[] | undefined
  /** Extended key usages that a request may contain: `serverAuth`, `clientAuth`, …, or object identifiers. */
  readonly extendedKeyUsages?: readonly string[] | undefined
  readonly revocation?:
    | {
        /**
         * `checked`: a caller with a client certificate is refused unless its authenticator checks
         * certificates for revocation. Default `any`.
         */
        readonly clientCertificates?: 'any' | 'checked' | undefined
        /**
         * `revoke`: once a renewal is recorded, the renewed certificate is revoked with the reason
         * `superseded`. Default `keep`.
         */
        readonly onRenewal?: 'keep' | 'revoke' | undefined
      }
    | undefined
}

/** Checks the settings. @throws the error of the reader's `fault` */
export function checkTrustDomainRules(document: DocumentReader): void {
  document.list('sanKinds', oneOf(document, ['dns', 'ip']))
  document.list('keyAlgorithms', oneOf(document, keyAlgorithms))
  const bits = document.count('minRsaBits')
  if (bits !== undefined && ![2048, 3072, 4096].includes(bits))
    document.fault('minRsaBits', `expected 2048, 3072 or 4096; found ${bits}`)
  document.list('keyUsages', oneOf(document, keyUsages))
  document.list('extendedKeyUsages', (purpose, path) => {
    if (typeof purpose !== 'string' || oidOf(purpose) === undefined)
      document.faultAt(path, `expected ${purposes.join(', ')}, or an object identifier`)
  })
  const revocation = document.object('revocation')
  revocation?.oneOf('clientCertificates', ['any', 'checked'])
  revocation?.oneOf('onRenewal', ['keep', 'revoke'])
  revocation?.finish()
}

/** The check of an entry of a list. */
export function oneOf(
  { faultAt }: DocumentReader,
  allowed: readonly string[],
): Parameters<DocumentReader['list']>[1] {
  return (item, path) => {
    if (!allowed.includes(item as string)) faultAt(path, `expected ${allowed.join(', ')}`)
  }
}

/** Whether certificates may have names of this kind. */
export function isKindAllowed({ sanKinds }: TrustDomainRules, { type }: GeneralName): boolean {
  return sanKinds?.includes(type as 'dns' | 'ip') !== false
}

/** The decision after the settings of the trust domain: allowed, narrowed, or refused. */
export function decideByTrustDomain(
  rules: TrustDomainRules,
  { csr }: PolicyRequest,
  caller: Caller,
  decision: AllowedDecision,
  trim: boolean,
): IssuanceDecision {
  if (rules.revocation?.clientCertificates === 'checked' && !isChecked(caller))
    return refuse(
      'revocation',
      'ERR_POLICY_DENIED',
      'the client certificate of the caller was not checked for revocation',
    )
  const key = keyFault(rules, csr)
  if (key !== undefined) return refuse('key-algorithms', 'ERR_POLICY_DENIED', key)
  const excess = excessUsages(rules, csr)
  if (excess.length > 0 && !trim)
    return refuse('key-usages', 'ERR_CSR_EXTENSION', `the request asks for ${excess.join(', ')}`)
  const trimmed = excess.map((usage) => `${usage} is omitted`)
  const revokesRenewed = rules.revocation?.onRenewal === 'revoke'
  return {
    ...decision,
    trimmed: [...decision.trimmed, ...trimmed],
    ...(revokesRenewed && { revokesRenewed }),
  }
}

/** `allOf` returns the claims of each authenticator under its name. */
function isChecked({ credential, claims }: Caller): boolean {
  if (credential === 'x509') return claims['revocation'] === 'checked'
  if (!credential.split('+').includes('x509')) return true
  return certificateAuthenticators.some((name) => {
    const own = Object.hasOwn(claims, name) ? claims[name] : undefined
    return (Object(own) as Readonly<Record<string, unknown>>)['revocation'] === 'checked'
  })
}

function keyFault(rules: TrustDomainRules, { publicKey }: CertificateRequest): string | undefined {
  const { algorithm, bits } = publicKey
  const { keyAlgorithms: allowed, minRsaBits = 0 } = rules
  if (allowed !== undefined && (algorithm === undefined || !allowed.includes(algorithm)))
    return `the key is ${algorithm ?? 'of an unknown algorithm'}; allowed: ${allowed.join(', ')}`
  if (algorithm?.startsWith('RSA') === true && bits < minRsaBits)
    return `the RSA key has ${bits} bits; the minimum is ${minRsaBits}`
  return undefined
}

/** The requested usages that the policy does not allow, as text. */
function excessUsages(rules: TrustDomainRules, csr: CertificateRequest): readonly string[] {
  const { keyUsages: usages, extendedKeyUsages } = rules
  const found: string[] = []
  if (usages !== undefined)
    for (const name of csr.keyUsage?.names ?? [])
      if (!usages.includes(name)) found.push(`the key usage ${name}`)
  if (extendedKeyUsages !== undefined) {
    const allowed = extendedKeyUsages.map(oidOf)
    for (const oid of csr.extendedKeyUsage ?? [])
      if (!allowed.includes(oid)) found.push(`the extended key usage ${nameOf(oid)}`)
  }
  return found.slice(0, 20)
}

function oidOf(purpose: string): string | undefined {
  if (Object.hasOwn(keyPurposeOids, purpose)) return keyPurposeOids[purpose as keyof typeof keyPurposeOids]
  return /^[0-2](\.(0|[1-9][0-9]{0,17})){1,30}$/.test(purpose) ? purpose : undefined
}

function nameOf(oid: string): string {
  return Object.entries(keyPurposeOids).find(([, value]) => value === oid)?.[0] ?? oid
}

function refuse(
  rule: string,
  code: 'ERR_POLICY_DENIED' | 'ERR_CSR_EXTENSION',
  reason: string,
): IssuanceDecision {
  return { allowed: false, rule, code, reason }
}

export const keyAlgorithms: readonly PublicKeyAlgorithm[] = [
  'P-256',
  'P-384',
  'P-521',
  'RSA',
  'RSA-PSS',
  'Ed25519',
]
/** Without the key usages of a CA, which are always refused. */
const keyUsages: readonly KeyUsageName[] = [
  'digitalSignature',
  'contentCommitment',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'encipherOnly',
  'decipherOnly',
]
const purposes = Object.keys(keyPurposeOids)
const certificateAuthenticators = ['client-certificate', 'x509-svid']
