// A certificate service as istiod offers it, for Istio's own client and agent: Kubernetes tokens,
// certificates of the trust domain `cluster.local`, and the name that Istio's clients expect.

import { createCertificateServer } from '../../src/adapters/grpc/index.ts'
import type { CertificateServer } from '../../src/adapters/grpc/certificate-service/index.ts'
import { ClientCertificateAuthenticator, KubernetesTokenAuthenticator, anyOf } from '../../src/auth/index.ts'
import type { Authenticator } from '../../src/auth/index.ts'
import {
  createCertificateAuthority,
  createIntermediateCertificate,
  createRootCertificate,
} from '../../src/ca/index.ts'
import { createIssuanceService } from '../../src/issuance/index.ts'
import type { IssuanceService } from '../../src/issuance/index.ts'
import { SoftwareSigner, exportPrivateKey } from '../../src/keys/index.ts'
import { callerIdentityPolicy } from '../../src/policy/index.ts'
import { TrustDomain } from '../../src/spiffe/index.ts'
import { buildCertificateRequest, generalName } from '../../src/x509/index.ts'
import type { Certificate } from '../../src/x509/index.ts'
import type { BundleSource } from '../../src/svid/index.ts'
import { callerOf } from './pki.ts'
import { jwkSet, makeToken, tokenKey } from './tokens.ts'

const trustDomain = 'cluster.local'
const issuer = 'https://kubernetes.default.svc.cluster.local'
// What Istio's client expects in the server's certificate, whatever address it dials.
export const istiodName = 'istiod.istio-system.svc'
const key = tokenKey()
const claims = {
  iss: issuer,
  aud: ['istio-ca'],
  sub: 'system:serviceaccount:default:web',
  'kubernetes.io': { namespace: 'default', serviceaccount: { name: 'web', uid: 'b7d4' } },
}

/** A running service, with what is behind it. */
export interface IstiodLike extends AsyncDisposable {
  readonly server: CertificateServer
  readonly issuance: IssuanceService
  readonly root: Certificate
  readonly bundles: BundleSource
}

/** A token of the service account `web` in the namespace `default`, valid for ten minutes. */
export function serviceAccountToken(extra: object = {}): string {
  const now = Math.floor(Date.now() / 1000)
  return makeToken(key, { ...claims, iat: now, nbf: now, exp: now + 600, ...extra })
}

/**
 * Starts it on a free port of `localhost`. `authenticator`: in place of the one for `serviceAccountToken`.
 */
export async function startIstiodLike(authenticator?: Authenticator): Promise<IstiodLike> {
  const [rootKey, caKey, tlsKey] = await Promise.all([
    SoftwareSigner.generate('P-384'),
    SoftwareSigner.generate('P-256'),
    SoftwareSigner.generate('P-256'),
  ])
  const root = await createRootCertificate(rootKey, { subject: 'O=cluster.local,CN=root', trustDomain })
  const parent = { certificate: root, signer: rootKey }
  const subject = 'O=cluster.local,CN=issuing'
  const ca = await createIntermediateCertificate(parent, caKey.publicKey, { subject, trustDomain })
  const material = { certificate: ca, signer: caKey, roots: [root] }
  const authority = createCertificateAuthority({ trustDomain, ...material })
  const issuance = createIssuanceService({
    authority,
    policy: callerIdentityPolicy({
      trustDomain: TrustDomain.from(trustDomain),
      mayHaveName: (name) => name.type === 'dns' && name.value === istiodName,
    }),
  })
  const names = [generalName.uri(`spiffe://${trustDomain}/ca`), generalName.dns(istiodName)]
  const csr = await buildCertificateRequest({ extensions: { subjectAltName: names } }, tlsKey)
  const own = await issuance.issue({ csr }, callerOf(`spiffe://${trustDomain}/ca`))
  const server = await createCertificateServer({
    issuance,
    authenticator: anyOf(
      authenticator ??
        new KubernetesTokenAuthenticator({
          trustDomain,
          audience: 'istio-ca',
          clusters: [{ name: 'Kubernetes', issuer, jwks: jwkSet(key) }],
        }),
      new ClientCertificateAuthenticator({ bundles: authority }),
    ),
    tls: {
      certificateChain: [own.certificate, ...own.chain].map((one) => one.toPem()).join(''),
      privateKey: exportPrivateKey(tlsKey.privateKey()),
      clientRoots: root.toPem(),
    },
  })
  return { server, issuance, root, bundles: authority, [Symbol.asyncDispose]: () => server.close(0) }
}
