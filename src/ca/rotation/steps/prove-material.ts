// Tests signing material before it is used: it signs a trial leaf, which is validated as relying parties do
// and then discarded.

import { PkiError } from '../../../errors/index.ts'
import { SoftwareSigner } from '../../../keys/index.ts'
import type { TrustDomain } from '../../../spiffe/index.ts'
import type { Clock } from '../../../runtime/index.ts'
import { X509SvidValidator } from '../../../svid/index.ts'
import { buildCertificateRequest, generalName } from '../../../x509/index.ts'
import type { Certificate } from '../../../x509/index.ts'
import { createCertificateAuthority } from '../../authority/local-authority.ts'
import type { SigningMaterial } from '../../authority/signing-material.ts'
import type { CertificateProfile } from '../../profile/certificate-profile.ts'
import { createMemoryStorage } from '../../records/memory/memory-storage.ts'

/** The settings of the trial leaf. */
export interface ProofSettings {
  readonly trustDomain: TrustDomain
  readonly profile: CertificateProfile
  readonly clock: Clock
}

/**
 * Signs a trial leaf, and validates it with the roots of the material.
 *
 * @returns the chain that holders would send
 * @throws as `createCertificateAuthority`, `prepare` and `sign`; ERR_CA_MATERIAL if the leaf does not
 *   validate
 */
export async function proveMaterial(
  material: SigningMaterial,
  { trustDomain, profile, clock }: ProofSettings,
): Promise<{ readonly chain: readonly Certificate[] }> {
  const storage = createMemoryStorage({ clock })
  const authority = createCertificateAuthority({
    ...material,
    ...{ trustDomain, clock, storage, minTtlSeconds: 1 },
    // One name: the URI.
    profile: { ...profile, name: 'throw-away' },
  })
  const csr = await buildCertificateRequest({}, await SoftwareSigner.generate('P-256'))
  const id = `${trustDomain.idString}/throw-away`
  const prepared = await authority.prepare(csr, {
    subjectAltName: [generalName.uri(id)],
    maxTtlSeconds: throwAwaySeconds,
  })
  const { certificate, chain } = await authority.sign(prepared)
  const verdict = new X509SvidValidator({ bundles: authority.trustBundle() }).verify(
    [certificate, ...chain],
    {
      id,
      time: new Date(Math.floor(clock.now() / 1000) * 1000),
    },
  )
  if (verdict.ok) return { chain }
  throw new PkiError(
    'ERR_CA_MATERIAL',
    `a leaf of ${authority.certificate.subject.toString()} does not validate: ` +
      (verdict.rejected[0]?.message ?? 'no path to a root'),
  )
}

const throwAwaySeconds = 60
