// Accepts SVIDs of the own trust domain and of the listed federated trust domains as credentials.

import { PkiError } from '../../errors/index.ts'
import { TrustDomain } from '../../spiffe/index.ts'
import type { SpiffeId } from '../../spiffe/index.ts'
import { authenticationError } from '../require-caller.ts'

/** The trust domains that an authenticator accepts. */
export interface TrustDomainOptions {
  /** Our own trust domain. */
  readonly trustDomain: TrustDomain | string
  /**
   * Other trust domains whose SVIDs are accepted, each verified by its own bundle. Default: none. A bundle of
   * another trust domain that is present for clients does not authorize its SVIDs as credentials.
   */
  readonly federatesWith?: readonly (TrustDomain | string)[] | undefined
}

/** Checks identities by their trust domain. */
export class AcceptedTrustDomains {
  readonly #own: string
  readonly #federated: ReadonlySet<string>

  /** @throws ERR_TRUST_DOMAIN_INVALID, ERR_INVALID_ARGUMENT */
  constructor(owner: string, { trustDomain, federatesWith = [] }: TrustDomainOptions) {
    if (!Array.isArray(federatesWith))
      throw new PkiError('ERR_INVALID_ARGUMENT', `${owner}: federatesWith must be a list of trust domains`)
    this.#own = TrustDomain.from(trustDomain).name
    this.#federated = new Set(federatesWith.map((name) => TrustDomain.from(name as string).name))
  }

  /**
   * Facts about an accepted identity. @throws ERR_CREDENTIAL_INVALID for an identity of another trust domain
   */
  require(id: SpiffeId): { readonly trustDomain: string; readonly federated: boolean } {
    const { trustDomainName } = id
    if (trustDomainName === this.#own) return { trustDomain: trustDomainName, federated: false }
    if (this.#federated.has(trustDomainName)) return { trustDomain: trustDomainName, federated: true }
    throw authenticationError(
      `the SVID is of ${trustDomainName}; accepted are ${[this.#own, ...this.#federated].join(', ')}`,
    )
  }
}
