// The CA of the main job: a root, an intermediate below it, issuance, and Istio's certificate service on loopback.

import { startCertificateServer } from 'spiffe-pki/grpc'
import { ApiKeyAuthenticator, ClientCertificateAuthenticator, CompositeAuthenticator } from 'spiffe-pki/auth'
import type { ApiKeyEntry } from 'spiffe-pki/auth'
import {
  createCertificateAuthority,
  createIntermediateCertificate,
  createRootCertificate,
} from 'spiffe-pki/ca'
import { createIssuanceService } from 'spiffe-pki/issuance'
import type { IssuanceService } from 'spiffe-pki/issuance'
import { SoftwareSigner, exportPrivateKey } from 'spiffe-pki/keys'
import type { KeyManager } from 'spiffe-pki/keys'
import { callerIdentityPolicy } from 'spiffe-pki/policy'
import { SpiffeId, TrustDomain } from 'spiffe-pki/spiffe'
import { X509SvidValidator } from 'spiffe-pki/svid'
import type { TrustBundle } from 'spiffe-pki/svid'
import { buildCertificateRequest, generalName } from 'spiffe-pki/x509'
import type { Certificate, Signer } from 'spiffe-pki/x509'

/** A running CA. */
export interface EmbeddedCa extends AsyncDisposable {
  readonly address: string
  readonly root: Certificate
  readonly intermediate: Certificate
  readonly bundle: TrustBundle
}

/** What it needs. */
export interface EmbeddedCaOptions {
  readonly trustDomain: string
  readonly keys: KeyManager
  readonly apiKeys: readonly ApiKeyEntry[]
}

export async function startCa({ trustDomain, keys, apiKeys }: EmbeddedCaOptions): Promise<EmbeddedCa> {
  const rootSigner = await signerFor(keys, 'root')
  const root = await createRootCertificate(rootSigner, {
    subject: `CN=${trustDomain} root`,
    trustDomain,
    pathLength: 1,
  })
  const signer = await signerFor(keys, 'intermediate')
  const intermediate = await createIntermediateCertificate(
    { certificate: root, signer: rootSigner },
    signer.publicKey,
    { subject: `CN=${trustDomain} intermediate`, trustDomain },
  )

  const authority = createCertificateAuthority({
    trustDomain,
    certificate: intermediate,
    signer,
    roots: [root],
  })
  const bundle = authority.trustBundle()
  const self = SpiffeId.parse(`spiffe://${trustDomain}/ns/pki/sa/ca`)
  const issuance = createIssuanceService({
    authority,
    // The CA's own server certificate has a host name; nobody else's has.
    policy: callerIdentityPolicy({
      trustDomain: TrustDomain.from(trustDomain),
      mayHaveName: (name, caller) =>
        name.type === 'dns' && name.value === 'localhost' && caller.identities.some((id) => id.equals(self)),
    }),
  })
  const validator = new X509SvidValidator({ bundles: bundle, intermediates: [intermediate] })
  const server = await startCertificateServer({
    issuance,
    authenticator: new CompositeAuthenticator({
      authenticators: [
        new ClientCertificateAuthenticator({
          verify: (chain) => validator.verify(chain, { extendedKeyUsage: 'clientAuth' }),
        }),
        new ApiKeyAuthenticator({ keys: apiKeys }),
      ],
    }),
    tls: { ...(await serverCertificate(issuance, self)), clientRoots: root.toPem() },
  })
  return {
    address: `localhost:${server.port}`,
    root,
    intermediate,
    bundle,
    [Symbol.asyncDispose]: () => server.close(),
  }
}

/** A CA that starts again finds its key where it left it. */
async function signerFor(keys: KeyManager, id: string): Promise<Signer> {
  return (await keys.getSigner(id)) ?? (await keys.generateKey(id, 'P-256'))
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
