// The CA of the main job: createCaService over a directory, and Istio's certificate service on loopback.

import { createCertificateServer } from 'spiffe-pki/grpc'
import { ApiKeyAuthenticator, ClientCertificateAuthenticator, CompositeAuthenticator } from 'spiffe-pki/auth'
import type { IssuanceService } from 'spiffe-pki/issuance'
import { SoftwareSigner, exportPrivateKey } from 'spiffe-pki/keys'
import { callerIdentityPolicy } from 'spiffe-pki/policy'
import { createCaService } from 'spiffe-pki/service'
import { SpiffeId, TrustDomain } from 'spiffe-pki/spiffe'
import type { TrustBundle } from 'spiffe-pki/svid'
import { buildCertificateRequest, generalName } from 'spiffe-pki/x509'
import type { Certificate } from 'spiffe-pki/x509'
import type { CaPlace } from './ca-place.ts'

/** A running CA. */
export interface EmbeddedCa extends AsyncDisposable {
  readonly address: string
  readonly root: Certificate
  readonly intermediate: Certificate
  readonly bundle: TrustBundle
  /** Certificates on record from earlier runs; at most 1,000 are counted. */
  readonly earlier: number
}

/** What it needs. */
export interface EmbeddedCaOptions {
  readonly trustDomain: string
  readonly place: CaPlace
  /** As `ApiKeyAuthenticator` takes them. */
  readonly apiKeys: ConstructorParameters<typeof ApiKeyAuthenticator>[0]['keys']
}

export async function startCa({ trustDomain, place, apiKeys }: EmbeddedCaOptions): Promise<EmbeddedCa> {
  const self = SpiffeId.parse(`spiffe://${trustDomain}/ns/pki/sa/ca`)
  const ca = await createCaService({
    directory: place.directory,
    trustDomain,
    ...(place.keys === undefined ? { passphrase: place.passphrase } : { keys: place.keys }),
    // The CA's own server certificate has a host name; nobody else's has.
    policy: callerIdentityPolicy({
      trustDomain: TrustDomain.from(trustDomain),
      mayHaveName: (name, caller) =>
        name.type === 'dns' && name.value === 'localhost' && caller.identities.some((id) => id.equals(self)),
    }),
  })
  const { authority, issuance, root, storage } = ca
  const bundle = authority.trustBundle()
  const { items: earlier } = await storage.certificates.query({ state: 'issued', limit: 1000 })
  const server = await createCertificateServer({
    issuance,
    authenticator: new CompositeAuthenticator({
      authenticators: [
        new ClientCertificateAuthenticator({
          bundles: bundle,
          intermediates: [authority.certificate],
          revocation: authority.revocation,
        }),
        new ApiKeyAuthenticator({ keys: apiKeys }),
      ],
    }),
    tls: { ...(await serverCertificate(issuance, self)), clientRoots: root.toPem() },
  })
  return {
    address: `localhost:${server.port}`,
    root,
    intermediate: authority.certificate,
    bundle,
    earlier: earlier.length,
    async [Symbol.asyncDispose]() {
      await server.close()
      await ca[Symbol.asyncDispose]()
    },
  }
}

async function serverCertificate(
  issuance: IssuanceService,
  self: SpiffeId,
): Promise<{ certificateChain: string; privateKey: string }> {
  const key = await SoftwareSigner.generate('P-256')
  const csr = await buildCertificateRequest(
    { extensions: { subjectAltName: [generalName.uri(self.toString()), generalName.dns('localhost')] } },
    key,
  )
  const { certificate, chain } = await issuance.issue(
    { csr },
    { identities: [self], credential: 'self', claims: {} },
  )
  return {
    certificateChain: [certificate, ...chain].map((one) => one.toPem()).join(''),
    privateKey: exportPrivateKey(key.privateKey()),
  }
}
