// rotation/batch: renewing every certificate of a store by batch rotation against issuing as many, with as
// many at once, on the same store.

import { generateKeyPairSync } from 'node:crypto'
import type { Caller } from '../src/auth/index.ts'
import { createCertificateAuthority, createRootCertificate } from '../src/ca/index.ts'
import { createIssuanceService } from '../src/issuance/index.ts'
import { SoftwareSigner } from '../src/keys/index.ts'
import { SpiffeId } from '../src/spiffe/index.ts'
import { buildCertificateRequest } from '../src/x509/index.ts'
import { benchStorage } from './issuance.ts'
import { medianOf } from './measure.ts'
import type { SelfMeasuredRow } from './row.ts'

const p256 = (): SoftwareSigner =>
  new SoftwareSigner(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
const csr = await buildCertificateRequest({}, p256())
const concurrency = 16
const callerOf = (i: number): Caller => ({
  identities: [SpiffeId.parse(`spiffe://example.org/w/${i}`)],
  credential: 'standing-request',
  claims: {},
})

export const rows: readonly SelfMeasuredRow[] = [
  {
    name: 'rotation/batch',
    bars: { 'bare issuance': 0.5 },
    goals: { 'bare issuance': 0.8 },
    measure: (options) => rotationRow(options.short ? 1000 : 10_000, options),
  },
]

/** So many certificates are issued, and then rotated; every round with a store of its own. */
async function rotationRow(
  count: number,
  { rounds }: Parameters<SelfMeasuredRow['measure']>[0],
): ReturnType<SelfMeasuredRow['measure']> {
  const signer = p256()
  const certificate = await createRootCertificate(signer, { subject: 'CN=bench', trustDomain: 'example.org' })
  const [times, ratios] = [[] as number[], [] as number[]]
  // The first round is for the compiler.
  for (let round = 0; round <= Math.ceil(rounds / 2); round++) {
    const storage = benchStorage()
    const authority = createCertificateAuthority({ trustDomain: 'example.org', certificate, signer, storage })
    const issuance = createIssuanceService({ authority, pruneIntervalSeconds: Infinity })
    let next = 0
    const issue = async (): Promise<void> => {
      while (next < count) await issuance.issue({ csr, ttlSeconds: 3600 }, callerOf(next++))
    }
    const begin = performance.now()
    await Promise.all(Array.from({ length: concurrency }, issue))
    const issued = performance.now()
    let renewed = 0
    const requestFor = () => csr
    const options = { thresholdSeconds: 7200, requestFor, concurrency, batchSize: 1000 }
    for await (const { outcome } of issuance.rotateExpiring(options)) if (outcome === 'renewed') renewed++
    const rotated = performance.now()
    if (renewed !== count) throw new Error(`${renewed} of ${count} certificates were renewed`)
    if (round === 0) continue
    times.push(((rotated - issued) * 1000) / count)
    ratios.push((issued - begin) / (rotated - issued))
  }
  return {
    name: `rotation/batch-${count}`,
    medianUs: medianOf(times),
    ratios: { 'bare issuance': medianOf(ratios) },
  }
}
