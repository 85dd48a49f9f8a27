// Istio's naming of Kubernetes workloads: spiffe://<trust domain>/ns/<namespace>/sa/<service account>.

import { pathFormError, SpiffeId } from './spiffe-id.ts'
import { TrustDomain } from './trust-domain.ts'

/** What an Istio SPIFFE ID names. */
export interface IstioIdentity {
  /** The mesh's trust domain. */
  readonly trustDomain: TrustDomain
  /** Kubernetes namespace. */
  readonly namespace: string
  /** Kubernetes service account. */
  readonly serviceAccount: string
}

/** The parts of an Istio SPIFFE ID, the trust domain as object or text. */
export interface IstioIdentityInput {
  /** The mesh's trust domain. */
  readonly trustDomain: TrustDomain | string
  /** A Kubernetes namespace. */
  readonly namespace: string
  /** The service account that the workload runs as. */
  readonly serviceAccount: string
}

/**
 * The SPIFFE ID of a service account. Each part is one path segment; an empty one or one with `/` is refused
 * (Istio makes a malformed ID of it).
 *
 * @throws ERR_TRUST_DOMAIN_INVALID, ERR_SPIFFE_PATH_INVALID, ERR_SPIFFE_ID_INVALID
 */
export function istioSpiffeId({ trustDomain, namespace, serviceAccount }: IstioIdentityInput): SpiffeId {
  return SpiffeId.fromSegments(trustDomain, ['ns', namespace, 'sa', serviceAccount])
}

/**
 * Takes an Istio SPIFFE ID apart. Stricter than Istio, whose reader checks no characters and takes empty parts.
 *
 * @throws ERR_SPIFFE_ID_INVALID
 * @throws ERR_SPIFFE_PATH_INVALID the path is not `/ns/<namespace>/sa/<service account>`
 */
export function parseIstioSpiffeId(id: SpiffeId | string): IstioIdentity {
  const parsed = SpiffeId.from(id)
  const identity = identityOf(parsed)
  if (identity === undefined) throw pathFormError(parsed.path, '/ns/<namespace>/sa/<service account>')
  return identity
}

/** Like `parseIstioSpiffeId`, with `undefined` instead of an error. */
export function tryParseIstioSpiffeId(id: SpiffeId | string): IstioIdentity | undefined {
  const parsed = id instanceof SpiffeId ? id : SpiffeId.tryParse(id)
  return parsed === undefined ? undefined : identityOf(parsed)
}

/**
 * A trust domain as Istio reads its own setting: every `@` becomes a `.` (it once named Google service accounts).
 * For values of a mesh configuration only, never for IDs from outside: rule ID-2 forbids `@` there.
 *
 * @throws ERR_TRUST_DOMAIN_INVALID
 */
export function istioTrustDomain(text: string): TrustDomain {
  return TrustDomain.parse(typeof text === 'string' ? text.replaceAll('@', '.') : text)
}

function identityOf(id: SpiffeId): IstioIdentity | undefined {
  const [ns, namespace, sa, serviceAccount, more] = id.segments
  if (ns !== 'ns' || sa !== 'sa' || more !== undefined) return undefined
  if (namespace === undefined || serviceAccount === undefined) return undefined
  return { trustDomain: id.trustDomain, namespace, serviceAccount }
}
