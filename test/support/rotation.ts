// A CA that rotates, for tests: its own storage, keys and clock, with times of minutes.

import { createMemoryStorage, createRotatingAuthority, workloadProfile } from '../../src/ca/index.ts'
import type { CaStorage, CertificateProfile } from '../../src/ca/index.ts'
import type { RotatingAuthority } from '../../src/ca/internal.ts'
import type { RotatingAuthorityOptions } from '../../src/ca/rotation/rotating-options.ts'
import { MemoryKeyManager } from '../../src/keys/index.ts'
import type { KeyManager } from '../../src/keys/index.ts'
import { X509SvidValidator } from '../../src/svid/index.ts'
import type { TrustBundle } from '../../src/svid/index.ts'
import { FakeClock } from '../../src/testing/index.ts'
import { generalName } from '../../src/x509/index.ts'
import type { Certificate, CertificateRequest } from '../../src/x509/index.ts'
import { newRequest, workloadId } from './pki.ts'

/** A CA for 2 h, leaves for 10 min, a bundle that is fetched every 5 min. */
export const rotationTimes = {
  ttlSeconds: 7200,
  leafTtlSeconds: 600,
  refreshHintSeconds: 300,
  missedRefreshes: 2,
  pollIntervalSeconds: 60,
} as const

export const shortProfile: CertificateProfile = {
  ...workloadProfile,
  defaultTtlSeconds: 600,
  maxTtlSeconds: 600,
}

export interface TestRotation {
  readonly rotating: RotatingAuthority
  readonly storage: CaStorage
  readonly keys: KeyManager
  readonly clock: FakeClock
}

export async function testRotation(options: Partial<RotatingAuthorityOptions> = {}): Promise<TestRotation> {
  const clock = (options.clock as FakeClock | undefined) ?? new FakeClock()
  const storage = options.storage ?? createMemoryStorage({ clock })
  const keys = options.keys ?? new MemoryKeyManager({ clock })
  const rotating = await createRotatingAuthority({
    trustDomain: 'example.org',
    ...rotationTimes,
    profile: shortProfile,
    automatic: false,
    random: () => 0,
    ...options,
    ...{ storage, keys, clock },
  })
  return { rotating, storage, keys, clock }
}

/** The states in the order of the authorities. */
export async function statesOf({ storage }: Pick<TestRotation, 'storage'>): Promise<string[]> {
  return (await storage.authorities.list()).map(({ id, state }) => `${id} ${state}`)
}

export interface TestLeaf {
  readonly certificate: Certificate
  readonly chain: readonly Certificate[]
}

const { request: sharedRequest } = await newRequest()

/** A leaf on record, as issuance leaves it. */
export async function issueLeaf(
  { rotating, storage, clock }: TestRotation,
  request: CertificateRequest = sharedRequest,
): Promise<TestLeaf> {
  const { authority } = rotating
  const prepared = await authority.prepare(request, {
    subjectAltName: [generalName.uri(workloadId.toString())],
  })
  const { certificate, chain } = await authority.sign(prepared)
  const { issuer } = prepared
  const id = { issuer, serialNumber: prepared.serialNumber }
  await storage.certificates.recordIntent({
    ...id,
    tbs: prepared.tbs,
    identity: workloadId,
    keyIdentifier: prepared.keyIdentifier,
    notAfter: prepared.notAfter,
    intendedAt: new Date(clock.now()),
    caller: { credential: 'test', identities: [workloadId] },
    rule: 'test',
    renews: undefined,
    idempotencyKey: undefined,
  })
  await storage.certificates.recordOutcome(id, { certificate: certificate.der })
  return { certificate, chain }
}

/** Why a relying party with this bundle refuses the leaf; undefined where it accepts. */
export function refusalOf(leaf: TestLeaf, bundle: TrustBundle, nowMs: number): string | undefined {
  const verdict = new X509SvidValidator({ bundles: bundle }).verify([leaf.certificate, ...leaf.chain], {
    id: workloadId,
    time: new Date(Math.floor(nowMs / 1000) * 1000),
  })
  return verdict.ok ? undefined : (verdict.rejected[0]?.message ?? 'refused')
}
