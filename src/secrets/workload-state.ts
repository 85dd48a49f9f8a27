// The state of one workload at one moment, and the contract of its sources.

import type { KeyObject } from 'node:crypto'
import { SpiffeId } from '../spiffe/index.ts'
import type { TrustDomain } from '../spiffe/index.ts'
import type { JwtSvid, TrustBundle, X509Svid } from '../svid/index.ts'
import type { Crl } from '../x509/index.ts'
import type { CertificateSecret, Secret, ValidationSecret } from './secret.ts'

/**
 * One X.509 identity of a workload, with its private key.
 *
 * @inline
 */
export interface WorkloadIdentity {
  readonly svid: X509Svid
  readonly privateKey: KeyObject
  /**
   * Distinguishes the identities of a workload by their use; unique among them, at most 1,024 octets.
   */
  readonly hint?: string | undefined
}

/**
 * The whole state of a workload at one moment, never a difference (rule W-6).
 *
 * @inline
 */
export interface WorkloadState {
  /** The first is the default identity (rule W-12). Empty: the workload has no identity. */
  readonly identities: readonly WorkloadIdentity[]
  /** One per trust domain, own and federated; never merged (rule F-4). */
  readonly bundles: readonly TrustBundle[]
  readonly crls: readonly Crl[]
}

/**
 * A request for JWT-SVIDs.
 *
 * @inline
 */
export interface JwtSvidRequest {
  /** Default: one token for each identity of the workload. */
  readonly id?: SpiffeId | undefined
  /** At least one. */
  readonly audience: readonly string[]
  /** Only the token of the identity with this hint. */
  readonly hint?: string | undefined
  readonly signal?: AbortSignal | undefined
}

/** Supplies the state of one workload and reports each change. */
export interface WorkloadSource {
  /** The current state; undefined before the first one. */
  readonly state: WorkloadState | undefined
  /** Calls `listener` after each change. Returns a function that stops the calls. */
  onChange(listener: (state: WorkloadState) => void): () => void
  /**
   * JWT-SVIDs of the workload, those of the default identity first; a source without it has none. @throws
   * ERR_POLICY_DENIED for an identity that is not the workload's
   */
  readonly fetchJwtSvids?: ((request: JwtSvidRequest) => Promise<readonly JwtSvid[]>) | undefined
}

/** The secret with this name, of the names that `SecretSource` lists; undefined if the state has none. */
export function secretOf(state: WorkloadState, name: string): Secret | undefined {
  const [first] = state.identities
  if (name === 'default') return first === undefined ? undefined : certificateSecret(name, first)
  if (name === 'ALL') return validationSecret(name, state, state.bundles)
  if (name === 'ROOTCA')
    return first === undefined ? undefined : authoritiesOf(name, state, first.svid.id.trustDomain)
  const id = SpiffeId.tryParse(name)
  if (id === undefined) return undefined
  if (!id.hasPath) return authoritiesOf(name, state, id.trustDomain)
  const found = state.identities.find(({ svid }) => svid.id.equals(id))
  return found === undefined ? undefined : certificateSecret(name, found)
}

/**
 * Every name except `default`, `ROOTCA` and `ALL`: the SPIFFE ID of each identity, and the trust domain of
 * each bundle.
 */
export function secretNames({ identities, bundles }: WorkloadState): readonly string[] {
  const names = [
    ...identities.map(({ svid }) => svid.id.toString()),
    ...bundles.map(({ trustDomain }) => trustDomain.idString),
  ]
  return [...new Set(names)]
}

function certificateSecret(name: string, { svid, privateKey }: WorkloadIdentity): CertificateSecret {
  return Object.freeze({
    type: 'certificate',
    name,
    id: svid.id,
    certificates: svid.certificates,
    privateKey,
  } as const)
}

function authoritiesOf(
  name: string,
  state: WorkloadState,
  trustDomain: TrustDomain,
): ValidationSecret | undefined {
  const bundle = state.bundles.find((one) => one.trustDomain.equals(trustDomain))
  return bundle === undefined ? undefined : validationSecret(name, state, [bundle])
}

function validationSecret(
  name: string,
  { crls }: WorkloadState,
  bundles: readonly TrustBundle[],
): ValidationSecret {
  const authorities = bundles.map(({ trustDomain, x509Authorities }) =>
    Object.freeze({ trustDomain, certificates: x509Authorities }),
  )
  return Object.freeze({ type: 'validation', name, authorities: Object.freeze(authorities), crls } as const)
}
