// Authenticates the client certificate of mutual TLS, which this package verifies on every call.

import { PkiError } from '../errors/index.ts'
import { readOptions } from '../internal/options.ts'
import { systemClock } from '../runtime/index.ts'
import type { Clock } from '../runtime/index.ts'
import { X509SvidValidator } from '../svid/index.ts'
import type { Certificate } from '../x509/index.ts'
import type { BundleSource } from '../svid/index.ts'
import type { X509SvidOptions, X509SvidValidatorOptions } from '../svid/internal.ts'
import type { Rejection, RevocationChecker, VerifiedPath } from '../validation/index.ts'
import type { RejectedPath } from '../validation/internal.ts'
import type { AuthenticationRequest, Authenticator, Caller } from './authenticator.ts'
import { RefusedChains } from './refused-chains.ts'
import { authenticationError, checkCaller } from './require-caller.ts'

/**
 * Looks up the certificates of a verified path in records that are read asynchronously, such as a CA's store.
 * Undefined means that none is revoked; an error denies the call.
 */
export type RevocationLookup = (path: VerifiedPath, signal: AbortSignal) => Promise<Rejection | undefined>

/** A source of trust bundles that can also check for revocation, as a `CertificateAuthority` does. @inline */
interface RevocationAwareBundleSource extends BundleSource {
  /** Checks against the records of the CA that these bundles belong to. */
  readonly revocation?: RevocationChecker | RevocationLookup | undefined
}

/**
 * Options of `ClientCertificateAuthenticator`. Exactly one is required of `revocation` (as an option or from
 * the source) and `dangerouslyWithoutRevocation`.
 *
 * @inline
 */
export interface ClientCertificateAuthenticatorOptions extends Pick<
  X509SvidValidatorOptions,
  'intermediates' | 'maxDepth' | 'budget' | 'id'
> {
  /**
   * Trust bundles by trust domain: a CA, a `TrustBundle`, a `TrustBundleSet`.
   * Only the bundle of the client's own trust domain is used.
   */
  readonly bundles: RevocationAwareBundleSource
  /** Checks the certificates of a chain for revocation. Default: the checker of `bundles`, if it has one. */
  readonly revocation?: RevocationChecker | RevocationLookup
  /**
   * Accepts revoked certificates until they expire. Only for CAs that never
   * revoke; only the lifetime then limits a stolen key.
   */
  readonly dangerouslyWithoutRevocation?: boolean | undefined
  /** The clock for verification; default `systemClock`. */
  readonly clock?: Clock | undefined
}

/**
 * Authenticates by the SPIFFE ID of the client certificate (X509-SVID section 5).
 *
 * The whole presented chain is verified on every call, also on a long-lived or resumed connection: the
 * handshake may be older than the current trust bundle or a revocation. The extended key usage `clientAuth`
 * is required if the certificate has that extension. The claims are `serialNumber`, `notAfter` and
 * `revocation`: `checked`, or `unchecked` with `dangerouslyWithoutRevocation`.
 *
 * @example
 * ```ts
 * const byCertificate = new ClientCertificateAuthenticator({ bundles, revocation: checker })
 * ```
 */
export class ClientCertificateAuthenticator implements Authenticator {
  /** `client-certificate`. */
  readonly name = 'client-certificate'
  readonly #validator: X509SvidValidator
  readonly #lookup: RevocationLookup | undefined
  readonly #checksRevocation: boolean
  readonly #clock: Clock
  readonly #refused: RefusedChains

  /** @throws ERR_INVALID_ARGUMENT without bundles, or without a choice about revocation */
  constructor(options: ClientCertificateAuthenticatorOptions) {
    const {
      clock,
      dangerouslyWithoutRevocation,
      revocation: own,
      ...validation
    } = readOptions<ClientCertificateAuthenticatorOptions>('ClientCertificateAuthenticator', options, {
      bundles: 'required',
      revocation: 'guard',
      dangerouslyWithoutRevocation: 'optional',
      intermediates: 'optional',
      maxDepth: 'guard',
      budget: 'guard',
      id: 'guard',
      clock: 'optional',
    })
    const revocation = revocationOf(own, validation.bundles, dangerouslyWithoutRevocation === true)
    this.#validator = new X509SvidValidator({
      ...validation,
      budget: { ...peerBudget, ...validation.budget },
      extendedKeyUsage: 'clientAuth',
      ...(typeof revocation === 'object' ? { revocation } : {}),
    })
    this.#checksRevocation = revocation !== undefined
    this.#lookup = typeof revocation === 'function' ? revocation : undefined
    this.#clock = clock ?? systemClock
    this.#refused = new RefusedChains(this.#clock)
  }

  /**
   * The identity of the presented chain; undefined if no certificate was presented.
   *
   * @throws ERR_CLIENT_CERTIFICATE_UNTRUSTED the chain does not verify;
   *   ERR_CREDENTIAL_INVALID it is longer than 10 certificates
   */
  async authenticate(request: AuthenticationRequest): Promise<Caller | undefined> {
    const chain = request.tls?.presentedChain
    const leaf = chain?.[0]
    if (chain === undefined || leaf === undefined) return undefined
    if (chain.length > maxChainLength) {
      throw authenticationError(
        `the client presented a chain of ${chain.length} certificates; the maximum is ${maxChainLength}`,
      )
    }
    const known = this.#refused.find(chain)
    if (known !== undefined) throw known
    const time = new Date(this.#clock.now())
    const verdict = this.#validator.verify(chain, { time } satisfies X509SvidOptions)
    if (!verdict.ok) throw this.#refused.remember(chain, untrusted(leaf, verdict.rejected[0]))
    const revoked = await this.#lookup?.(verdict.path, request.signal)
    if (revoked !== undefined) throw untrusted(leaf, revoked)
    const caller = {
      identities: [verdict.id],
      credential: 'x509',
      claims: {
        serialNumber: leaf.serialNumber,
        notAfter: leaf.notAfter.toISOString(),
        revocation: this.#checksRevocation ? 'checked' : 'unchecked',
      },
    }
    return checkCaller(caller, this.name)
  }
}

function untrusted(leaf: Certificate, first: RejectedPath | Rejection | undefined): PkiError {
  return new PkiError(
    'ERR_CLIENT_CERTIFICATE_UNTRUSTED',
    `the client certificate with serial number ${leaf.serialNumber} is not trusted: ` +
      `${first?.message ?? 'no path'} (${first?.code ?? ''}, ${first?.rule ?? ''})`,
  )
}

function revocationOf(
  own: ClientCertificateAuthenticatorOptions['revocation'],
  bundles: RevocationAwareBundleSource,
  without: boolean,
): RevocationChecker | RevocationLookup | undefined {
  if (without) {
    if (own === undefined) return undefined
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'ClientCertificateAuthenticator: revocation and dangerouslyWithoutRevocation exclude each other',
    )
  }
  const given = own ?? bundles.revocation
  if (typeof given === 'function' || typeof given?.check === 'function') return given
  throw new PkiError(
    'ERR_INVALID_ARGUMENT',
    given === undefined
      ? 'ClientCertificateAuthenticator: the option revocation is required, because bundles has no ' +
          'revocation checker; ' +
          'give a RevocationChecker, or dangerouslyWithoutRevocation: true'
      : 'ClientCertificateAuthenticator: revocation is neither a function nor an object with the method ' +
          'check',
  )
}

const maxChainLength = 10

/**
 * The budget for signatures. The client chooses the keys in its chain, so the limit allows only two
 * signatures of P-521 and two of their CRLs.
 */
const peerBudget = { maxSignatureChecks: 40 }
