// The client's own certificate as its credential: mutual TLS.

import { PkiError } from '../errors/index.ts'
import type { SpiffeId } from '../spiffe/index.ts'
import type { Certificate } from '../x509/index.ts'
import { authenticationError } from './composite-authenticator.ts'
import type { AuthenticationRequest, Authenticator, Caller } from './authenticator.ts'

/** What the check of a client's chain answers; `verifyX509Svid` has this shape. */
export type ClientChainVerdict =
  | {
      readonly ok: true
      /** Who the client is. */
      readonly id: SpiffeId
    }
  | {
      readonly ok: false
      /** Why not; the first is the one that the log shows. */
      readonly rejected: readonly { readonly code: string; readonly rule: string; readonly message: string }[]
    }

/** Options of `ClientCertificateAuthenticator`. */
export interface ClientCertificateAuthenticatorOptions {
  /**
   * Checks the chain as the client sent it, leaf first, against the trust bundles of now. Asked on every call, also on a long-lived or
   * resumed connection: a handshake of an hour ago knows nothing of a bundle or a revocation of since.
   */
  readonly verify: (chain: readonly Certificate[]) => ClientChainVerdict
}

/**
 * Authenticates by the SPIFFE ID of the client certificate, verified by this package whatever the TLS stack said of it.
 *
 * @example
 * ```ts
 * const svids = new X509SvidValidator({ bundles })
 * const byCertificate = new ClientCertificateAuthenticator({ verify: (presented) => svids.verify(presented, { extendedKeyUsage: 'clientAuth' }) })
 * ```
 */
export class ClientCertificateAuthenticator implements Authenticator {
  /** `client-certificate`. */
  readonly name = 'client-certificate'
  readonly #verify: ClientCertificateAuthenticatorOptions['verify']

  /** @throws ERR_INVALID_ARGUMENT without a `verify` */
  constructor(options: ClientCertificateAuthenticatorOptions) {
    if (
      typeof (options as Partial<ClientCertificateAuthenticatorOptions> | undefined)?.verify !== 'function'
    ) {
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        'verify is a function that judges a chain, such as that of an X509SvidValidator',
      )
    }
    this.#verify = options.verify
  }

  /** The holder of the presented chain; undefined where none was presented. @throws ERR_CLIENT_CERTIFICATE_UNTRUSTED, ERR_CREDENTIAL_INVALID */
  authenticate(request: AuthenticationRequest): Promise<Caller | undefined> {
    const chain = request.tls?.presentedChain
    const leaf = chain?.[0]
    if (chain === undefined || leaf === undefined) return Promise.resolve(undefined)
    if (chain.length > maxChainLength) {
      return Promise.reject(
        authenticationError(
          `a client chain of ${chain.length} certificates; at most ${maxChainLength} are read`,
        ),
      )
    }
    return Promise.resolve(chain).then((presented) => {
      const verdict = this.#verify(presented)
      if (!verdict.ok) {
        const [first] = verdict.rejected
        throw new PkiError(
          'ERR_CLIENT_CERTIFICATE_UNTRUSTED',
          `the client certificate is not trusted: ${first?.message ?? 'no path'} (${first?.code ?? ''}, ${first?.rule ?? ''})`,
        )
      }
      return {
        identities: [verdict.id],
        credential: 'x509',
        claims: { serialNumber: leaf.serialNumber, notAfter: leaf.notAfter.toISOString() },
      }
    })
  }
}

const maxChainLength = 10
