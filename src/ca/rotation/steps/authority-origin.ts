// How the certificate of a new authority is made: self-signed, or issued by the parent CA.

import type { Certificate, Signer } from '../../../x509/index.ts'
import { buildCertificateRequest, generalName } from '../../../x509/index.ts'
import { createCrossCertificate, createRootCertificate } from '../../authority/ca-certificate.ts'
import type { CaCertificateOptions, CaCredential } from '../../authority/ca-certificate.ts'
import { readRoots } from '../../registration/remote-certificates.ts'
import { checkIntermediate } from '../../upstream/check-intermediate.ts'
import type { UpstreamAuthority } from '../../upstream/upstream-authority.ts'
import { proveMaterial } from './prove-material.ts'
import type { ProofSettings } from './prove-material.ts'

/** A tested certificate for a new key. */
interface MadeAuthority {
  readonly certificate: Certificate
  readonly chain: readonly Certificate[]
  /** Empty if the certificate is a root. */
  readonly anchors: readonly Certificate[]
  readonly cross?: Certificate | undefined
}

/** Makes the certificates of authorities. */
export interface AuthorityOrigin {
  make(signer: Signer, subject: string, signal: AbortSignal | undefined): Promise<MadeAuthority>
  /** The certificate of the new key issued by the previous CA; undefined if none is made. */
  cross(made: MadeAuthority, before: CaCredential | undefined): Promise<Certificate | undefined>
  /** The trusted roots in addition to those of the recorded authorities. */
  roots(signal?: AbortSignal): Promise<readonly Certificate[]>
}

/** The settings of both kinds. */
export interface OriginSettings extends ProofSettings {
  readonly ttlSeconds: number
  readonly nameConstraints: CaCertificateOptions['nameConstraints'] | undefined
  readonly pathLength: number
}

/** Self-signed roots. */
export function selfSignedOrigin(settings: OriginSettings, crossSign: boolean): AuthorityOrigin {
  const { trustDomain, ttlSeconds, nameConstraints, pathLength, clock } = settings
  const constraints = nameConstraints === undefined ? {} : { nameConstraints }
  return {
    async make(signer, subject) {
      const certificate = await createRootCertificate(signer, {
        ...{ subject, trustDomain, pathLength, ttlSeconds, clock },
        ...constraints,
      })
      await proveMaterial({ certificate, signer }, settings)
      return { certificate, chain: [], anchors: [] }
    },
    async cross({ certificate }, before) {
      if (!crossSign || before === undefined) return undefined
      const remaining = (before.certificate.notAfterMs - clock.now()) / 1000
      return createCrossCertificate(before, certificate, {
        ...{ pathLength: pathLength - 1, clock },
        ttlSeconds: Math.max(1, Math.floor(remaining)),
      })
    },
    roots: async () => [],
  }
}

/** Makes intermediates below a parent CA. */
export function upstreamOrigin(settings: OriginSettings, upstream: UpstreamAuthority): AuthorityOrigin {
  const { trustDomain, ttlSeconds, profile } = settings
  return {
    async make(signer, subject, signal) {
      const csr = await buildCertificateRequest(
        { subject, extensions: { subjectAltName: [generalName.uri(trustDomain.idString)] } },
        signer,
      )
      const answer = await upstream.issueIntermediate({ csr, ttlSeconds, signal })
      const minTtlSeconds = Math.min(profile.defaultTtlSeconds, Math.floor(ttlSeconds / 6))
      return checkIntermediate(upstream.name, answer, { ...settings, csr, signer, minTtlSeconds })
    },
    cross: async () => undefined,
    roots: async (signal) => readRoots(`the upstream ${upstream.name}`, await upstream.roots(signal)),
  }
}
