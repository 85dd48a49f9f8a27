// The health of certificates: alerts, gauges, readiness.

import { describe, expect, onTestFinished, test } from 'vitest'
import { createCertificateAuthority, createRootCertificate } from '../../../src/ca/index.ts'
import { createIssuanceService } from '../../../src/issuance/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { createCertificateChecker, createX509Source, localCaClient } from '../../../src/secrets/index.ts'
import type { CaAnswer, CaRequest } from '../../../src/secrets/internal.ts'
import { TrustBundle, TrustBundleSet } from '../../../src/svid/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { code } from '../../support/codes.ts'
import { newRoot } from '../../support/mesh.ts'
import { callerOf, workloadId } from '../../support/pki.ts'

const hour = 3600

async function setUp({
  rootSeconds = 30 * 24 * hour,
  ttlSeconds = 24 * hour,
  warningSeconds = undefined as number | undefined,
} = {}) {
  const clock = new FakeClock()
  const signer = await SoftwareSigner.generate('P-256')
  const root = await createRootCertificate(signer, {
    subject: 'CN=root',
    trustDomain: 'example.org',
    ttlSeconds: rootSeconds,
    clock,
  })
  const authority = createCertificateAuthority({
    trustDomain: 'example.org',
    certificate: root,
    signer,
    clock,
  })
  const honest = localCaClient(
    createIssuanceService({ authority, clock, pruneIntervalSeconds: Infinity }),
    callerOf(),
  )
  const ca = { answer: (request: CaRequest): Promise<CaAnswer> => honest.issue(request) }
  const bundles = new TrustBundleSet([authority.trustBundle()])
  const source = createX509Source({
    ca: { issue: (request) => ca.answer(request) },
    ...{ id: workloadId, clock, ttlSeconds, bundles },
  })
  const gauges = new Map<string, number>()
  const told: string[] = []
  const checker = createCertificateChecker({
    sources: { default: source },
    ...{ clock, warningSeconds },
    onAlert: ({ type, level }) => told.push(`${level} ${type}`),
    metrics: {
      count: () => undefined,
      observe: () => undefined,
      gauge: (name, value, labels) => gauges.set(`${name} ${labels?.['resource_name']}`, value),
    },
  })
  onTestFinished(async () => {
    await checker[Symbol.asyncDispose]()
    await source[Symbol.asyncDispose]()
    expect(clock.pending).toBe(0)
  })
  return { clock, source, checker, ca, bundles, gauges, told, honest, signer }
}

describe('createCertificateChecker', () => {
  test('before the first SVID it is not ready, and says why', async () => {
    const { checker, source, told } = await setUp()
    const before = checker.check()
    expect(before).toMatchObject({ ready: false, secondsLeft: { default: undefined } })
    expect(before.problems).toHaveLength(1)
    expect(told).toEqual(['critical certificate_error'])
    await source.ready()
    expect(checker.check()).toMatchObject({ ready: true, problems: [], alerts: [] })
  })

  test('gauges: the leaf, and the first of leaf, chain and root', async () => {
    const { checker, source, gauges } = await setUp({
      rootSeconds: 12 * hour,
      ttlSeconds: 6 * hour,
      warningSeconds: 0,
    })
    await source.ready()
    checker.check()
    expect(gauges.get('istio_agent_cert_expiry_seconds default')).toBe(6 * hour)
    expect(gauges.get('certificate_effective_end_seconds default')).toBe(6 * hour)
  })

  test('warns below a quarter of the validity, once, and the alert ends with the renewal', async () => {
    const { checker, source, clock, ca, told, honest } = await setUp()
    await source.ready()
    ca.answer = () => Promise.reject(new Error('away'))
    // The interval does the check.
    for (let step = 0; step < 23; step++) {
      clock.advance(hour * 1000)
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(told).toEqual(['warning certificate_expiring'])
    expect(checker.check()).toMatchObject({
      ready: true,
      alerts: [{ type: 'certificate_expiring', level: 'warning' }],
    })
    clock.advance(2 * hour * 1000)
    expect(checker.check()).toMatchObject({ ready: false, alerts: [{ type: 'certificate_error' }] })
    ca.answer = (request) => honest.issue(request)
    await source.renew()
    expect(checker.check().alerts).toEqual([])
    expect(told).toEqual(['warning certificate_expiring', 'critical certificate_error'])
  })

  test('an answer that is refused is an alert while the valid SVID is served', async () => {
    const { checker, source, ca, honest } = await setUp()
    const first = await source.ready()
    ca.answer = async (request) => ({ ...(await honest.issue(request)), certificate: first.svid.leaf })
    await expect(source.renew()).rejects.toThrow(code('ERR_CA_REPLY'))
    expect(checker.check()).toMatchObject({
      ready: true,
      problems: [],
      alerts: [{ type: 'certificate_parse_error', level: 'critical', name: 'default' }],
    })
  })

  test('an SVID that no root of its bundle vouches for any more is an alert, and not ready', async () => {
    const { checker, source, bundles } = await setUp()
    await source.ready()
    const { certificate } = await newRoot('example.org')
    bundles.set(new TrustBundle('example.org', { x509Authorities: [certificate] }))
    expect(checker.check()).toMatchObject({ ready: false, alerts: [{ type: 'root_certificate_error' }] })
  })

  test('a root that ends before the leaf is the effective end', async () => {
    const { checker, source, bundles, clock, gauges, signer } = await setUp({ ttlSeconds: 6 * hour })
    await source.ready()
    const short = await createRootCertificate(signer, {
      subject: 'CN=root',
      trustDomain: 'example.org',
      ttlSeconds: hour,
      clock,
    })
    bundles.set(new TrustBundle('example.org', { x509Authorities: [short] }))
    const { secondsLeft } = checker.check()
    expect(secondsLeft['default']).toBeGreaterThan(hour - 5)
    expect(secondsLeft['default']).toBeLessThanOrEqual(hour)
    expect(gauges.get('certificate_effective_end_seconds default')).toBe(secondsLeft['default'])
    expect(gauges.get('istio_agent_cert_expiry_seconds default')).toBe(6 * hour)
  })

  test('what onAlert throws disturbs nothing', async () => {
    const { source, clock } = await setUp()
    await using checker = createCertificateChecker({
      sources: { default: source },
      clock,
      onAlert: () => {
        throw new Error('no pager')
      },
    })
    expect(checker.check().ready).toBe(false)
  })

  test('refuses options that mean nothing', async () => {
    const { source } = await setUp()
    for (const options of [
      { sources: {} },
      { sources: { default: {} } },
      { warningSeconds: -1 },
      { intervalSeconds: 0 },
    ])
      expect(() => createCertificateChecker({ sources: { default: source }, ...options } as never)).toThrow(
        code('ERR_INVALID_ARGUMENT'),
      )
  })
})
