// Chains below intermediates with constraints, made by our own CA functions, each with the one verdict that
// everybody has to give.

import {
  createCertificateAuthority,
  createIntermediateCertificate,
  createRootCertificate,
} from '../../src/ca/index.ts'
import type { CaCertificateOptions, CaCredential } from '../../src/ca/authority/ca-certificate.ts'
import { SoftwareSigner } from '../../src/keys/index.ts'
import {
  DistinguishedName,
  buildCertificate,
  buildCertificateRequest,
  generalName,
  keyPurposeOids,
} from '../../src/x509/index.ts'
import type { Certificate, GeneralName } from '../../src/x509/index.ts'

/** One chain, and whether it holds. */
export interface ConstrainedChain {
  readonly name: string
  readonly holds: boolean
  /**
   * Go takes a URI constraint without a leading period for a domain; RFC 5280 §4.2.1.10 has it specify a
   * host.
   */
  readonly goHolds: boolean
  readonly leaf: Certificate
  readonly intermediates: readonly Certificate[]
  readonly root: Certificate
}

type Constraints = NonNullable<CaCertificateOptions['nameConstraints']>
interface Row {
  readonly name: string
  readonly constraints: Constraints
  readonly holds: readonly (readonly GeneralName[])[]
  readonly fails: readonly (readonly GeneralName[])[]
  /** Those of `fails` that Go takes. */
  readonly goTakes?: readonly (readonly GeneralName[])[]
}

const { dns, ip, uri } = generalName
/** An address and a mask, as constraints have it. */
const network = (address: string, mask: string): GeneralName => ({
  type: 'ip',
  address: Uint8Array.from([...octets(address), ...octets(mask)]),
  value: `${address}/${mask}`,
})
const octets = (text: string): Uint8Array => {
  const name = ip(text)
  return name.type === 'ip' ? name.address : new Uint8Array(0)
}
const id = uri('spiffe://example.org/web')

const rows: readonly Row[] = [
  {
    name: 'DNS names below one domain',
    constraints: { permitted: [dns('svc.example')] },
    holds: [[id], [id, dns('svc.example')], [id, dns('web.svc.example')]],
    fails: [
      [id, dns('web.example')],
      [id, dns('websvc.example')],
      [id, dns('web.svc.example'), dns('other.test')],
    ],
  },
  {
    name: 'all DNS names but some',
    constraints: { excluded: [dns('internal.example')] },
    holds: [[id, dns('web.example')]],
    fails: [
      [id, dns('internal.example')],
      [id, dns('db.internal.example')],
    ],
  },
  {
    name: 'a part of what is permitted',
    constraints: { permitted: [dns('example')], excluded: [dns('db.example')] },
    holds: [[id, dns('web.example')]],
    fails: [
      [id, dns('a.db.example')],
      [id, dns('web.test')],
    ],
  },
  {
    name: 'IPv4 addresses of one network',
    constraints: { permitted: [network('10.1.0.0', '255.255.0.0')] },
    holds: [[id, ip('10.1.2.3')]],
    fails: [
      [id, ip('10.2.0.1')],
      [id, ip('fd00::1')],
    ],
  },
  {
    name: 'all but one network',
    constraints: { excluded: [network('fd00::', 'ff00::')] },
    holds: [[id, ip('2001:db8::1')]],
    fails: [[id, ip('fd12::1')]],
  },
  {
    name: 'one trust domain',
    constraints: { permitted: [uri('example.org')] },
    holds: [[id]],
    fails: [[uri('spiffe://other.example/web')]],
    goTakes: [[uri('spiffe://sub.example.org/web')]],
  },
  {
    name: 'trust domains below one',
    constraints: { permitted: [uri('.example.org')] },
    holds: [[uri('spiffe://sub.example.org/web')]],
    fails: [[id]],
  },
  {
    name: 'all trust domains but one',
    constraints: { excluded: [uri('other.example')] },
    holds: [[id]],
    fails: [[uri('spiffe://other.example/web')]],
  },
]

/**
 * Every row, with leaves that hold (from our authority, which lints them) and leaves that do not (which it
 * refuses, so built by hand).
 */
export async function constrainedChains(): Promise<ConstrainedChain[]> {
  const [rootSigner, signer, second, leafSigner] = (await Promise.all(
    [0, 1, 2, 3].map(() => SoftwareSigner.generate('P-256')),
  )) as [SoftwareSigner, SoftwareSigner, SoftwareSigner, SoftwareSigner]
  const csr = await buildCertificateRequest({}, leafSigner)
  const root = {
    certificate: await createRootCertificate(rootSigner, { subject: 'CN=root', pathLength: 2 }),
    signer: rootSigner,
  }
  const chains: ConstrainedChain[] = []
  for (const { name, constraints, holds, fails, goTakes = [] } of rows) {
    // The constraint of a CA further up holds as well.
    const far = await below(root, signer, { subject: 'CN=far', nameConstraints: constraints, pathLength: 1 })
    const near = await below(root, signer, { subject: 'CN=near', nameConstraints: constraints })
    const under = await below(far, second, { subject: 'CN=under' })
    for (const [issuer, intermediates] of [
      [near, [near]],
      [under, [under, far]],
    ] as const) {
      const chain = {
        intermediates: intermediates.map(({ certificate }) => certificate),
        root: root.certificate,
      }
      for (const names of holds) {
        const trustDomain = names[0]?.type === 'uri' ? new URL(names[0].value).host : ''
        const authority = createCertificateAuthority({
          trustDomain,
          certificate: issuer.certificate,
          signer: issuer.signer,
          chain: chain.intermediates.slice(1),
          roots: [chain.root],
        })
        const { certificate } = await authority.sign(await authority.prepare(csr, { subjectAltName: names }))
        chains.push({ ...chain, name, holds: true, goHolds: true, leaf: certificate })
      }
      for (const names of [...fails, ...goTakes])
        chains.push({
          ...chain,
          name,
          holds: false,
          goHolds: goTakes.includes(names),
          leaf: await leafBelow(issuer, leafSigner, names),
        })
    }
  }
  const zero = await below(root, signer, { subject: 'CN=zero' })
  // Ours makes none below a CA of path length 0.
  const tooMany = { certificate: await caBelow(zero, second), signer: second }
  const one = await below(root, signer, { subject: 'CN=one', pathLength: 1 })
  const fits = await below(one, second, { subject: 'CN=fits' })
  const name = 'path lengths'
  chains.push(
    {
      name,
      holds: true,
      goHolds: true,
      leaf: await leafBelow(zero, leafSigner, [id]),
      intermediates: [zero.certificate],
      root: root.certificate,
    },
    {
      name,
      holds: true,
      goHolds: true,
      leaf: await leafBelow(fits, leafSigner, [id]),
      intermediates: [fits.certificate, one.certificate],
      root: root.certificate,
    },
    {
      name,
      holds: false,
      goHolds: false,
      leaf: await leafBelow(tooMany, leafSigner, [id]),
      intermediates: [tooMany.certificate, zero.certificate],
      root: root.certificate,
    },
  )
  return chains
}

async function below(
  parent: CaCredential,
  signer: SoftwareSigner,
  options: CaCertificateOptions,
): Promise<CaCredential & { readonly signer: SoftwareSigner }> {
  return { certificate: await createIntermediateCertificate(parent, signer.publicKey, options), signer }
}

async function caBelow(
  { certificate, signer }: CaCredential,
  { publicKey }: SoftwareSigner,
): Promise<Certificate> {
  return buildCertificate(
    {
      issuer: certificate.subject,
      subject: DistinguishedName.parse('CN=one too many'),
      publicKey,
      notBefore: certificate.notBefore,
      notAfter: certificate.notAfter,
      extensions: {
        basicConstraints: { ca: true, pathLength: 0 },
        keyUsage: ['keyCertSign', 'cRLSign'],
        subjectKeyIdentifier: publicKey,
        authorityKeyIdentifier: certificate.subjectKeyIdentifier,
      },
    },
    signer,
  )
}

async function leafBelow(
  { certificate, signer }: CaCredential,
  { publicKey }: SoftwareSigner,
  subjectAltName: readonly GeneralName[],
): Promise<Certificate> {
  return buildCertificate(
    {
      issuer: certificate.subject,
      publicKey,
      notBefore: certificate.notBefore,
      notAfter: certificate.notAfter,
      extensions: {
        subjectAltName,
        basicConstraints: { ca: false },
        keyUsage: ['digitalSignature'],
        extendedKeyUsage: [keyPurposeOids.serverAuth, keyPurposeOids.clientAuth],
        subjectKeyIdentifier: publicKey,
        authorityKeyIdentifier: certificate.subjectKeyIdentifier,
      },
    },
    signer,
  )
}
