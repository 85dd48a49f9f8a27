// The contract of remote CAs that sign leaves: exactly the names of the decision, for the key of the request.

import type { RemoteSigner } from '../../ca/index.ts'
import { SoftwareSigner } from '../../keys/index.ts'
import { systemClock } from '../../runtime/index.ts'
import { TrustDomain } from '../../spiffe/index.ts'
import { TrustBundle, X509SvidValidator } from '../../svid/index.ts'
import { buildCertificateRequest, generalName } from '../../x509/index.ts'
import { holds, refused, same } from './contract-case.ts'
import type { ContractCase } from './contract-case.ts'

/** The tested implementation. @inline */
export interface RemoteSignerContractOptions {
  /** Creates the signer. */
  readonly open: () => RemoteSigner | Promise<RemoteSigner>
  /** The trust domain that it signs for; the workload is `/contract`. */
  readonly trustDomain: TrustDomain | string
}

/** The cases of `RemoteSigner`. */
export function remoteSignerContract(options: RemoteSignerContractOptions): readonly ContractCase[] {
  const { open } = options
  const trustDomain = TrustDomain.from(options.trustDomain)
  const id = `${trustDomain.idString}/contract`
  const request = async () => ({
    csr: await buildCertificateRequest(
      { extensions: { subjectAltName: [generalName.uri(id)] } },
      await SoftwareSigner.generate('P-256'),
    ),
    subjectAltName: [generalName.uri(id)],
    subject: undefined,
    ttlSeconds: 3600,
  })
  return [
    {
      name: 'signs for the key of the request, with the name of the decision',
      run: async () => {
        const wanted = await request()
        const { certificate, chain, roots } = await (await open()).sign(wanted)
        holds(certificate.publicKey.equals(wanted.csr.publicKey), 'the certificate has another key')
        const bundles = new TrustBundle(trustDomain, { x509Authorities: [...roots] })
        const verdict = new X509SvidValidator({ bundles }).verify([certificate, ...chain], { id })
        if (!verdict.ok) throw new Error(`it does not validate: ${verdict.rejected[0]?.message ?? ''}`)
        same(certificate.subjectAltName?.length, 1, 'the number of names')
        holds(
          certificate.notAfterMs <= systemClock.now() + 3_900_000,
          'the certificate is valid for too long',
        )
      },
    },
    {
      name: 'returns the roots of its answers',
      run: async () => {
        const signer = await open()
        const { roots } = await signer.sign(await request())
        const listed = (await signer.roots()).map((root) => root.toPem()).sort()
        same(listed, roots.map((root) => root.toPem()).sort(), 'the roots that roots() returned')
      },
    },
    {
      name: 'does nothing once the call was aborted',
      run: async () => {
        const signer = await open()
        const wanted = await request()
        await refused('ERR_ABORTED', () => signer.sign({ ...wanted, signal: AbortSignal.abort() }))
      },
    },
  ]
}
