// crl/incremental-…: the CRL of a CA with a million revocations, after one more of them and made anew.

import { randomBytes } from 'node:crypto'
import { createCertificateAuthority, createMemoryStorage, createRootCertificate } from '../src/ca/index.ts'
import type { CaStorage, CertificateAuthority, CertificateStore } from '../src/ca/index.ts'
import { keyIdentifierOf } from '../src/ca/internal.ts'
import type { RevokedRecord } from '../src/ca/internal.ts'
import { SoftwareSigner } from '../src/keys/index.ts'
import { serialNumberFromBytes } from '../src/x509/internal.ts'
import { medianOf } from './measure.ts'
import type { SelfMeasuredRow } from './row.ts'

const trustDomain = 'example.org'
const signer = await SoftwareSigner.generate('P-256')
const certificate = await createRootCertificate(signer, { subject: 'CN=bench', trustDomain })
const issuer = keyIdentifierOf(certificate.subjectKeyIdentifier!)
const nowMs = Date.now()
const revoked: RevokedRecord[] = []

function revokeOne(): void {
  revoked.push({
    ...{ issuer, shard: '', serialNumber: serialNumberFromBytes(Uint8Array.of(1, ...randomBytes(16))) },
    ...{ notAfter: new Date(nowMs + 90 * 86_400_000), intendedAt: new Date(nowMs - 86_400_000) },
    revocation: { reason: 'superseded', revokedAt: new Date(nowMs - 3_600_000 + revoked.length) },
  })
}

/** Answers with what is revoked, and has no record of a certificate. */
const revocations: Pick<CertificateStore, 'find' | 'revocations'> = {
  find: async () => undefined,
  async revocations({ after = '0', limit = 1000 }: Parameters<CertificateStore['revocations']>[0]) {
    const items = revoked.slice(Number(after), Number(after) + limit)
    return { items, next: String(Number(after) + items.length) }
  },
}
const certificates = revocations as CertificateStore

/** An authority whose store has no list yet. */
function newAuthority(): CertificateAuthority {
  const storage: CaStorage = { ...createMemoryStorage(), certificates }
  return createCertificateAuthority({ trustDomain, certificate, signer, storage })
}

export const rows: readonly SelfMeasuredRow[] = [
  {
    name: 'crl/incremental',
    // One more revocation costs less than a quarter of the list made anew.
    bars: { 'made anew': 4 },
    measure: ({ short }) => incrementalRow(short ? 100_000 : 1_000_000),
  },
]

async function incrementalRow(count: number): ReturnType<SelfMeasuredRow['measure']> {
  revoked.length = 0
  while (revoked.length < count) revokeOne()
  // The first list is for the compiler.
  await newAuthority().issueCrl()
  const authority = newAuthority()
  const anewUs = await durationUs(() => authority.issueCrl())
  const times: number[] = []
  for (let round = 0; round < 9; round++) {
    revokeOne()
    times.push(await durationUs(() => authority.issueCrl()))
  }
  const medianUs = medianOf(times)
  return { name: `crl/incremental-${count}`, medianUs, ratios: { 'made anew': anewUs / medianUs } }
}

async function durationUs(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now()
  await work()
  return (performance.now() - begin) * 1000
}
