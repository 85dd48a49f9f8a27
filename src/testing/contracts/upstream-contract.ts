// The contract of upstream CAs: they issue an intermediate for the key of the request, below one of their
// roots.

import type { UpstreamAuthority } from '../../ca/index.ts'
import { SoftwareSigner } from '../../keys/index.ts'
import { systemClock } from '../../runtime/index.ts'
import { TrustDomain } from '../../spiffe/index.ts'
import { verifyPath } from '../../validation/index.ts'
import { CertificateRequest, buildCertificateRequest, generalName } from '../../x509/index.ts'
import { eventually, holds, refused, same } from './contract-case.ts'
import type { ContractCase } from './contract-case.ts'

/** The tested implementation. @inline */
export interface UpstreamAuthorityContractOptions {
  /** Creates the upstream. */
  readonly open: () => UpstreamAuthority | Promise<UpstreamAuthority>
  /** The trust domain of its intermediates. */
  readonly trustDomain: TrustDomain | string
  /** Changes the roots of the upstream. Without it the suite only subscribes with `watchRoots`. */
  readonly changeRoots?: ((upstream: UpstreamAuthority) => void | Promise<void>) | undefined
}

/** The cases of `UpstreamAuthority`. */
export function upstreamAuthorityContract(
  options: UpstreamAuthorityContractOptions,
): readonly ContractCase[] {
  const { open } = options
  const trustDomain = TrustDomain.from(options.trustDomain)
  return [
    {
      name: 'certifies the key of the request as a CA, with its subject, below one of its roots',
      run: async () => {
        const upstream = await open()
        const csr = await requestOf(trustDomain)
        const { certificate, chain, roots } = await upstream.issueIntermediate({ csr, ttlSeconds: 3600 })
        holds(certificate.publicKey.equals(csr.publicKey), 'the certificate has another key')
        same(certificate.subject.toString(), csr.subject.toString(), 'the subject')
        holds(certificate.basicConstraints?.ca === true, 'the certificate is not that of a CA')
        for (const usage of ['keyCertSign', 'cRLSign'] as const)
          holds(certificate.keyUsage?.has(usage) === true, `the key usage lacks ${usage}`)
        holds(roots.length > 0, 'the answer has no root')
        const verdict = verifyPath(certificate, { anchors: [...roots], intermediates: [...chain] })
        if (!verdict.ok) throw new Error(`no path to a root: ${verdict.rejected[0]?.message ?? ''}`)
      },
    },
    {
      name: 'does not exceed the requested validity',
      run: async () => {
        const upstream = await open()
        const csr = await requestOf(trustDomain)
        const { certificate } = await upstream.issueIntermediate({ csr, ttlSeconds: 3600 })
        holds(
          certificate.notAfterMs <= systemClock.now() + 3_900_000,
          'the certificate is valid for longer than requested',
        )
      },
    },
    {
      name: 'returns the roots of its certificates',
      run: async () => {
        const upstream = await open()
        const csr = await requestOf(trustDomain)
        const { roots } = await upstream.issueIntermediate({ csr, ttlSeconds: 3600 })
        const listed = await upstream.roots()
        same(listed.map((root) => root.toPem()).sort(), roots.map((root) => root.toPem()).sort(), 'the roots')
      },
    },
    {
      name: 'refuses a request that is not signed by its key',
      run: async () => {
        const upstream = await open()
        const csr = await requestOf(trustDomain)
        const der = new Uint8Array(csr.der)
        der[der.length - 1] = (der[der.length - 1] as number) ^ 1
        await refused('ERR_CA_REFUSED', () =>
          upstream.issueIntermediate({ csr: CertificateRequest.parse(der), ttlSeconds: 3600 }),
        )
      },
    },
    {
      name: 'refuses an aborted call',
      run: async () => {
        const upstream = await open()
        const csr = await requestOf(trustDomain)
        const signal = AbortSignal.abort()
        await refused('ERR_ABORTED', () => upstream.issueIntermediate({ csr, ttlSeconds: 3600, signal }))
        await refused('ERR_ABORTED', () => upstream.roots(signal))
      },
    },
    {
      name: 'watchRoots: calls every listener after a change of the roots, until it is stopped',
      run: async () => watchRootsKept(await open(), options.changeRoots),
    },
  ]
}

/** The roots of an upstream without `watchRoots` are polled. */
async function watchRootsKept(
  upstream: UpstreamAuthority,
  changeRoots: UpstreamAuthorityContractOptions['changeRoots'],
): Promise<void> {
  if (upstream.watchRoots === undefined) {
    holds(
      changeRoots === undefined,
      'the upstream has no watchRoots, but the suite has the option changeRoots',
    )
    return
  }
  const pems = async (): Promise<string> =>
    (await upstream.roots())
      .map((root) => root.toPem())
      .sort()
      .join()
  const calls = [0, 0, 0]
  const stops = calls.map((_, at) => upstream.watchRoots?.(() => void (calls[at] = (calls[at] ?? 0) + 1)))
  for (const stop of stops) holds(typeof stop === 'function', 'watchRoots returned no function')
  stops[1]?.()
  stops[1]?.()
  if (changeRoots !== undefined) {
    same(calls, [0, 0, 0], 'calls before a change of the roots')
    const before = await pems()
    await changeRoots(upstream)
    await eventually(() => calls[0] !== 0 && calls[2] !== 0, 'a listener was not called after a change')
    holds((await pems()) !== before, 'the roots are those of before the change')
    same(calls[1], 0, 'calls of a stopped listener')
  }
  for (const stop of stops) stop?.()
}

async function requestOf(trustDomain: TrustDomain): Promise<CertificateRequest> {
  const subjectAltName = [generalName.uri(trustDomain.idString)]
  return buildCertificateRequest(
    { subject: `CN=${trustDomain.name} contract`, extensions: { subjectAltName } },
    await SoftwareSigner.generate('P-256'),
  )
}
