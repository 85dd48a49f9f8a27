// X.509-SVIDs as credentials: a client certificate of the own trust domain, or of a listed federated one.

import { readOptions } from '../../internal/options.ts'
import type { AuthenticationRequest, Authenticator, Caller } from '../authenticator.ts'
import { ClientCertificateAuthenticator } from '../client-certificate-authenticator.ts'
import type { ClientCertificateAuthenticatorOptions } from '../client-certificate-authenticator.ts'
import { AcceptedTrustDomains } from './accepted-trust-domains.ts'
import type { TrustDomainOptions } from './accepted-trust-domains.ts'
import { checkCaller } from '../require-caller.ts'

/**
 * Options of `X509SvidAuthenticator`: those of `ClientCertificateAuthenticator`, and the accepted trust
 * domains.
 */
export interface X509SvidAuthenticatorOptions
  extends ClientCertificateAuthenticatorOptions, TrustDomainOptions {}

/**
 * Authenticates by the X.509-SVID of the TLS peer, as `ClientCertificateAuthenticator` does, and accepts only
 * SVIDs of `trustDomain` and `federatesWith`. An SVID of another trust domain is refused even if `bundles`
 * contains its roots. `claims` has `trustDomain` and `federated`.
 *
 * @example
 * ```ts
 * const authenticator = new X509SvidAuthenticator({
 *   bundles,
 *   revocation: checker,
 *   trustDomain: 'example.org',
 *   federatesWith: ['partner.example'],
 * })
 * ```
 */
export class X509SvidAuthenticator implements Authenticator {
  /** `x509-svid`. */
  readonly name = 'x509-svid'
  readonly #certificates: ClientCertificateAuthenticator
  readonly #accepted: AcceptedTrustDomains

  /** @throws ERR_INVALID_ARGUMENT, ERR_TRUST_DOMAIN_INVALID */
  constructor(options: X509SvidAuthenticatorOptions) {
    const { trustDomain, federatesWith, ...certificate } = readOptions<X509SvidAuthenticatorOptions>(
      'X509SvidAuthenticator',
      options,
      {
        trustDomain: 'required',
        federatesWith: 'optional',
        bundles: 'required',
        revocation: 'guard',
        dangerouslyWithoutRevocation: 'optional',
        intermediates: 'optional',
        maxDepth: 'guard',
        budget: 'guard',
        id: 'guard',
        clock: 'optional',
      },
    )
    this.#accepted = new AcceptedTrustDomains('X509SvidAuthenticator', { trustDomain, federatesWith })
    this.#certificates = new ClientCertificateAuthenticator(certificate)
  }

  /** @throws ERR_CLIENT_CERTIFICATE_UNTRUSTED, ERR_CREDENTIAL_INVALID */
  async authenticate(request: AuthenticationRequest): Promise<Caller | undefined> {
    const caller = await this.#certificates.authenticate(request)
    const [id] = caller?.identities ?? []
    if (caller === undefined || id === undefined) return undefined
    const claims = { ...caller.claims, ...this.#accepted.require(id) }
    return checkCaller({ ...caller, claims }, this.name)
  }
}
