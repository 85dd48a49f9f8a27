// What is true when a slow key or a slow proof begins may be false when it ends: it is checked again.

import { describe, expect, it } from 'vitest'
import { createCertificateAuthority, createRootCertificate } from '../../../src/ca/index.ts'
import type { CertificateAuthority } from '../../../src/ca/index.ts'
import type { SigningMaterial } from '../../../src/ca/authority/signing-material.ts'
import type { CertificateWorkers } from '../../../src/ca/internal.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { generalName } from '../../../src/x509/index.ts'
import type { Signer } from '../../../src/x509/index.ts'
import { code } from '../../support/codes.ts'
import { deferred } from '../../support/deferred.ts'
import { newRequest, workloadId } from '../../support/pki.ts'

const trustDomain = 'example.org'
const content = { subjectAltName: [generalName.uri(workloadId.toString())], ttlSeconds: 600 }
const { request: csr } = await newRequest()

async function root(
  clock: FakeClock,
  ttlSeconds: number,
): Promise<SigningMaterial & { readonly signer: SoftwareSigner }> {
  const signer = await SoftwareSigner.generate('P-256')
  const subject = `CN=root of ${ttlSeconds} s`
  return {
    signer,
    certificate: await createRootCertificate(signer, { subject, trustDomain, clock, ttlSeconds }),
  }
}

/** A signer that waits for `go` in each signature. */
function slow({ publicKey, signatureAlgorithm, sign }: SoftwareSigner): {
  readonly signer: Signer
  readonly begun: Promise<void>
  readonly go: () => void
} {
  const [begun, gate] = [deferred(), deferred()]
  const signer: Signer = {
    id: 'slow',
    publicKey,
    signatureAlgorithm,
    sign: async (data) => {
      begun.resolve()
      await gate.promise
      return sign(data)
    },
  }
  return { signer, begun: begun.promise, go: gate.resolve }
}

describe('rotate', () => {
  it('refuses a certificate that expired while its key was tried, and changes nothing', async () => {
    const clock = new FakeClock()
    const [first, second] = [await root(clock, 100_000), await root(clock, 1000)]
    const authority = createCertificateAuthority({ trustDomain, ...first, clock })
    const told: unknown[] = []
    authority.onTrustBundleChange((bundle) => told.push(bundle))
    const key = slow(withSign(second.signer))
    const rotated = authority.rotate({ ...second, signer: key.signer })
    await key.begun
    clock.advance(2_000_000)
    key.go()
    await expect(rotated).rejects.toThrow(code('ERR_CA_EXPIRED'))
    expect(authority.certificate).toEqual(first.certificate)
    expect(told).toEqual([])
  })

  it('goes on after one that was refused', async () => {
    const clock = new FakeClock()
    const [first, second] = [await root(clock, 100_000), await root(clock, 90_000)]
    const authority = createCertificateAuthority({ trustDomain, ...first, clock })
    const broken: Signer = { ...slow(withSign(second.signer)).signer, sign: () => new Uint8Array(70) }
    const [refused, taken] = [authority.rotate({ ...second, signer: broken }), authority.rotate(second)]
    await expect(refused).rejects.toThrow(code('ERR_CA_SIGNATURE'))
    await taken
    expect(authority.certificate).toEqual(second.certificate)
  })
})

describe('prepare', () => {
  /** A CA whose proofs wait for `go`. */
  function slowProofs(
    material: SigningMaterial & { readonly signer: SoftwareSigner },
    clock: FakeClock,
  ): { readonly authority: CertificateAuthority; readonly begun: Promise<void>; readonly go: () => void } {
    const [begun, gate] = [deferred(), deferred()]
    const { publicKey, signatureAlgorithm } = material.signer
    const workers: CertificateWorkers = {
      publicKey,
      signatureAlgorithm,
      prove: async () => {
        begun.resolve()
        await gate.promise
      },
      sign: async (tbs) => material.signer.sign(tbs),
    }
    const authority = createCertificateAuthority({ trustDomain, ...material, workers, clock })
    return { authority, begun: begun.promise, go: gate.resolve }
  }

  it('refuses where the CA expired during the proof', async () => {
    const clock = new FakeClock()
    const { authority, begun, go } = slowProofs(await root(clock, 1000), clock)
    const prepared = authority.prepare(csr, content)
    await begun
    clock.advance(2_000_000)
    go()
    await expect(prepared).rejects.toThrow(code('ERR_CA_EXPIRED'))
  })

  it('is by the CA of the end of the proof, and valid from then on', async () => {
    const clock = new FakeClock()
    const next = await root(clock, 90_000)
    const { authority, begun, go } = slowProofs(await root(clock, 100_000), clock)
    const prepared = authority.prepare(csr, content)
    await begun
    clock.advance(100_000)
    await authority.rotate(next)
    go()
    const { certificate, roots } = await authority.sign(await prepared)
    expect(certificate.verifySignatureBy(next.signer.publicKey)).toBe(true)
    expect(roots).toEqual([next.certificate])
    expect(certificate.notAfterMs).toBe(Math.floor(clock.now() / 1000) * 1000 + 600_000)
  })
})

/** Methods bound, so that they can be taken apart. */
function withSign(signer: SoftwareSigner): SoftwareSigner {
  const { publicKey, signatureAlgorithm } = signer
  return { publicKey, signatureAlgorithm, sign: signer.sign.bind(signer) } as unknown as SoftwareSigner
}
