// A CA with Istio's certificate service as the remote CA that signs for a registration authority.

import type { RemoteSigner } from '../../ca/index.ts'
import { PkiError } from '../../errors/index.ts'
import { checkFlags } from '../../internal/option-types.ts'
import { nameOf, readOptions } from '../../internal/options.ts'
import { Certificate } from '../../x509/index.ts'
import type { CertificateInput } from '../../x509/index.ts'
import type { CertificateClient } from './certificate-client/index.ts'

/** Options of `createIstioSigner`. @inline */
export interface IstioSignerOptions {
  /** The client; the code that creates it must close it. */
  readonly client: CertificateClient
  /**
   * The roots of the CA until its first answer, such as `root-cert.pem`; after that, the roots in its
   * answers.
   */
  readonly roots:
    readonly CertificateInput[] | (() => readonly CertificateInput[] | Promise<readonly CertificateInput[]>)
  /**
   * Requests the certificate of the workload with `ImpersonatedIdentity`, which the CA must allow for the
   * credential of `client`. Default true; false: the CA takes the identity from that credential.
   */
  readonly impersonate?: boolean
}

/**
 * A signer for `createRegistrationAuthority`: forwards requests to a CA of Istio's protocol. Such a CA
 * chooses the names itself; an answer with other names than those of the policy's decision is refused.
 *
 * @throws ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * const remoteSigner = createIstioSigner({ client, roots: [root] })
 * await createRegistrationAuthority({ trustDomain: 'example.org', signer: remoteSigner })
 * ```
 */
export function createIstioSigner(options: IstioSignerOptions): RemoteSigner {
  const {
    client,
    roots,
    impersonate = true,
  } = readOptions('createIstioSigner', options, {
    client: 'required',
    roots: 'required',
    impersonate: 'guard',
  })
  checkFlags('createIstioSigner', { impersonate })
  const isList: boolean = Array.isArray(roots)
  if (typeof roots !== 'function' && !isList)
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `createIstioSigner: roots must be an array of certificates or a function, found ${nameOf(roots)}`,
    )
  if (typeof (Object(client) as Partial<CertificateClient>).createCertificate !== 'function')
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `createIstioSigner: client must have createCertificate, found ${nameOf(client)}`,
    )
  return Object.freeze<RemoteSigner>({
    name: 'a CA of Istio',
    async sign({ csr, subjectAltName, ttlSeconds, signal }) {
      const [identity] = subjectAltName.filter(({ type }) => type === 'uri')
      if (identity?.type !== 'uri' || subjectAltName.length !== 1)
        throw new PkiError(
          'ERR_CA_REFUSED',
          "a CA of Istio's protocol signs for one SPIFFE ID and no other name",
        )
      const {
        certificate,
        chain,
        roots: trusted,
      } = await client.createCertificate(csr, {
        ...{ ttlSeconds, signal },
        ...(impersonate ? { impersonatedIdentity: identity.value } : {}),
      })
      return Object.freeze({ certificate, chain: Object.freeze(chain.slice(1)), roots: trusted })
    },
    async roots() {
      const given = typeof roots === 'function' ? await roots() : roots
      return Object.freeze(given.map((root) => Certificate.from(root)))
    },
  })
}
