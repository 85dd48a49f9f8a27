// The X.509 source: first SVID, renewal, failures, suspension.

import { describe, expect, test } from 'vitest'
import { createCertificateAuthority, createRootCertificate } from '../../../src/ca/index.ts'
import { createIssuanceService } from '../../../src/issuance/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { createX509Source, localCaClient } from '../../../src/secrets/index.ts'
import type { CaClient, X509Source } from '../../../src/secrets/index.ts'
import type { CaAnswer, CaRequest } from '../../../src/secrets/internal.ts'
import { TrustDomain, match } from '../../../src/spiffe/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { X509SvidValidator } from '../../../src/svid/index.ts'
import { generalName } from '../../../src/x509/index.ts'
import { code } from '../../support/codes.ts'
import { callerOf, testPki, workloadId } from '../../support/pki.ts'

const hour = 3_600_000

interface Setup {
  readonly clock: FakeClock
  readonly ca: CaClient
  /** What answers in place of the CA, from now on. */
  answerWith(answer: (request: CaRequest, honest: CaClient) => Promise<CaAnswer>): void
  requests: number
}

async function setUp(): Promise<Setup> {
  const clock = new FakeClock(new Date())
  const signer = await SoftwareSigner.generate('P-256')
  const root = await createRootCertificate(signer, { subject: 'CN=root', trustDomain: 'example.org' })
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
  let answer = (request: CaRequest): Promise<CaAnswer> => honest.issue(request)
  const setup: Setup = {
    clock,
    requests: 0,
    ca: {
      issue: (request) => {
        setup.requests++
        return answer(request)
      },
    },
    answerWith: (next) => {
      answer = (request) => next(request, honest)
    },
  }
  return setup
}

const sourceOf = ({ ca, clock }: Setup): X509Source => createX509Source({ ca, clock, id: workloadId })

/** Lets promises settle until `done`. */
async function until(done: () => boolean): Promise<void> {
  await expect.poll(done, { interval: 5 }).toBe(true)
}

describe('createX509Source', () => {
  test('obtains an SVID that its own bundle verifies', async () => {
    const setup = await setUp()
    await using source = sourceOf(setup)
    expect(source.status.state).toBe('waiting')
    expect(() => source.current).toThrow(code('ERR_SVID_UNAVAILABLE'))
    const { svid, privateKey, bundle } = await source.ready()
    expect(svid.id.toString()).toBe(workloadId.toString())
    expect(privateKey.type).toBe('private')
    expect(source.bundleFor(TrustDomain.from('example.org'))).toBe(bundle)
    expect(source.bundleFor(TrustDomain.from('example.com'))).toBeUndefined()
    const verdict = new X509SvidValidator({ bundles: source }).verify(svid.certificates, { id: workloadId })
    expect(verdict.ok).toBe(true)
    expect(source.status).toMatchObject({ state: 'current', lastError: undefined })
  })

  test('renews at half of the validity, with a new key, and tells everybody who follows', async () => {
    const setup = await setUp()
    await using source = sourceOf(setup)
    const first = await source.ready()
    const seen: string[] = []
    source.onChange(({ svid }) => seen.push(svid.leaf.serialNumber))
    setup.clock.advance(11.5 * hour)
    expect(setup.requests).toBe(1)
    setup.clock.advance(hour)
    await until(() => source.current !== first)
    const second = source.current
    expect(seen).toEqual([second.svid.leaf.serialNumber])
    expect(second.svid.leaf.publicKey.equals(first.svid.leaf.publicKey)).toBe(false)
    const followed: string[] = []
    for await (const { svid } of source) {
      followed.push(svid.leaf.serialNumber)
      break
    }
    expect(followed).toEqual(seen)
  })

  test('renews first of all after a suspension of 48 hours', async () => {
    const setup = await setUp()
    await using source = sourceOf(setup)
    const first = await source.ready()
    setup.clock.setWallClock(new Date(setup.clock.now() + 48 * hour))
    expect(source.status.state).toBe('expired')
    // The monotonic clock stood still; the next tick comes within a minute of it.
    setup.clock.advance(60_000)
    await until(() => source.status.state === 'current')
    expect(source.current).not.toBe(first)
    // And the renewal after it comes at its own time.
    const second = source.current
    setup.clock.advance(13 * hour)
    await until(() => source.current !== second)
  })

  test('a wall clock that is set back delays nothing', async () => {
    const setup = await setUp()
    await using source = sourceOf(setup)
    const first = await source.ready()
    setup.clock.setWallClock(new Date(setup.clock.now() - 30_000))
    setup.clock.advance(12.5 * hour)
    await until(() => source.current !== first)
  })

  test('serves the valid SVID while the CA is away, says how long, and recovers', async () => {
    const setup = await setUp()
    await using source = sourceOf(setup)
    const first = await source.ready()
    setup.answerWith(() => Promise.reject(new Error('connection refused')))
    setup.clock.advance(13 * hour)
    await until(() => source.status.state === 'failing')
    expect(source.current).toBe(first)
    expect(source.status.secondsLeft).toBeGreaterThan(10 * 3600)
    expect(source.status.lastError?.message).toBe('connection refused')
    setup.answerWith((request, honest) => honest.issue(request))
    setup.clock.advance(200_000)
    await until(() => source.status.state === 'current')
    expect(source.current).not.toBe(first)
  })

  test('says that the SVID has expired, and why there is no new one', async () => {
    const setup = await setUp()
    await using source = sourceOf(setup)
    await source.ready()
    setup.answerWith(() => Promise.reject(new Error('connection refused')))
    setup.clock.advance(25 * hour)
    await until(() => source.status.lastError !== undefined)
    expect(source.status.state).toBe('expired')
    expect(() => source.current).toThrow(
      expect.objectContaining({ code: 'ERR_SVID_UNAVAILABLE', cause: source.status.lastError }),
    )
  })

  test('tries what is retryable five times, 100 ms doubled', async () => {
    const setup = await setUp()
    setup.answerWith(() => Promise.reject(Object.assign(new Error('unavailable'), { retryable: true })))
    await using source = sourceOf(setup)
    for (let attempt = 1; attempt < 5; attempt++) {
      await until(() => setup.requests === attempt && setup.clock.pending > 0)
      setup.clock.advance(100 * 2 ** (attempt - 1) * 1.1)
    }
    await until(() => source.status.lastError !== undefined)
    expect(setup.requests).toBe(5)
  })

  test('calls that come together share one renewal', async () => {
    const setup = await setUp()
    await using source = sourceOf(setup)
    await source.ready()
    const [one, two] = await Promise.all([source.renew(), source.renew()])
    expect(one).toBe(two)
    expect(setup.requests).toBe(2)
  })

  test('ends when it is disposed of', async () => {
    const setup = await setUp()
    setup.answerWith(() => new Promise(() => undefined))
    const source = sourceOf(setup)
    const waiting = expect(source.ready()).rejects.toThrow(code('ERR_CLOSED'))
    await source[Symbol.asyncDispose]()
    await waiting
    await expect(source.renew()).rejects.toThrow(code('ERR_CLOSED'))
    expect(setup.clock.pending).toBe(0)
  })

  test('a listener that throws does not undo a renewal', async () => {
    const setup = await setUp()
    await using source = sourceOf(setup)
    await source.ready()
    source.onChange(() => {
      throw new Error('a fault of the listener')
    })
    await expect(source.renew()).resolves.toBeDefined()
    expect(source.status.state).toBe('current')
  })
})

describe('an answer that is refused', () => {
  const foreign = async (id: string): Promise<CaAnswer> => {
    const signer = await SoftwareSigner.generate('P-256')
    const root = await createRootCertificate(signer, { subject: 'CN=root', trustDomain: 'example.org' })
    const authority = createCertificateAuthority({ trustDomain: 'example.org', certificate: root, signer })
    const { buildCertificateRequest } = await import('../../../src/x509/index.ts')
    const csr = await buildCertificateRequest({}, await SoftwareSigner.generate('P-256'))
    return createIssuanceService({ authority }).issue({ csr }, callerOf(id))
  }
  test.each<[string, (request: CaRequest, honest: CaClient) => Promise<CaAnswer>]>([
    ['another key', () => foreign(workloadId.toString())],
    ['no root', async (request, honest) => ({ ...(await honest.issue(request)), roots: [] })],
    [
      'the root of another CA',
      async (request, honest) => ({
        ...(await honest.issue(request)),
        roots: (await foreign(workloadId.toString())).roots,
      }),
    ],
    ['nothing', async () => undefined as unknown as CaAnswer],
    ['an object without certificates', async () => ({}) as CaAnswer],
  ])('%s', async (_, answer) => {
    const setup = await setUp()
    setup.answerWith(answer)
    await using source = sourceOf(setup)
    await until(() => source.status.lastError !== undefined)
    expect(source.status.lastError).toEqual(code('ERR_CA_REPLY'))
    expect(() => source.current).toThrow(code('ERR_SVID_UNAVAILABLE'))
  })

  test('another identity', async () => {
    const setup = await setUp()
    await using source = createX509Source({
      ca: setup.ca,
      clock: setup.clock,
      id: 'spiffe://example.org/other',
    })
    await until(() => source.status.lastError !== undefined)
    expect(source.status.lastError).toEqual(code('ERR_CA_REPLY'))
  })

  test.each([
    ['in the past', -25 * hour],
    ['in the future', 25 * hour],
  ])('a validity %s', async (_, offsetMs) => {
    const setup = await setUp()
    const clock = new FakeClock(new Date(setup.clock.now() - offsetMs))
    await using source = createX509Source({ ca: setup.ca, clock, id: match.memberOf('example.org') })
    await until(() => source.status.lastError !== undefined)
    expect(source.status.lastError).toEqual(code('ERR_CA_REPLY'))
  })
})

test('options that mean nothing are refused', async () => {
  const { ca } = await setUp()
  const bad = [
    { ca },
    { ca, id: undefined },
    { ca: {}, id: workloadId },
    { ca, id: workloadId, bundles: undefined },
    { ca, id: workloadId, ttl: 60 },
    { ca, id: workloadId, ttlSeconds: Number.NaN },
    { ca, id: workloadId, renewal: { ratio: 1 } },
    { ca, id: workloadId, renewal: { jitter: 0.6 } },
  ]
  for (const options of bad)
    expect(() => createX509Source(options as never)).toThrow(code('ERR_INVALID_ARGUMENT'))
})

test('asks for DNS names with every request, and for none but DNS names', async () => {
  const { issuance } = await testPki()
  const ca = localCaClient(issuance, callerOf())
  await using source = createX509Source({ ca, id: workloadId, dnsNames: ['localhost'] })
  for (const { svid } of [await source.ready(), await source.renew()])
    expect(svid.leaf.subjectAltName).toEqual([
      generalName.uri(workloadId.toString()),
      generalName.dns('localhost'),
    ])
  await using refused = createX509Source({ ca, id: workloadId, dnsNames: ['other.example'] })
  await expect(refused.renew()).rejects.toThrow(code('ERR_CSR_SAN_FOREIGN'))
  for (const dnsNames of [[], 'localhost', ['10.0.0.1'], ['Upper.example'], ['a b'], [1], null])
    expect(() => createX509Source({ ca, id: workloadId, dnsNames: dnsNames as never })).toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
})
