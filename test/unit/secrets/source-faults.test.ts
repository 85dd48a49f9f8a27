// What a source does when its CA or its clock fails: it goes on serving a valid SVID, sends few requests, and
// recovers by itself.

import { describe, expect, test } from 'vitest'
import { createCertificateAuthority, createRootCertificate } from '../../../src/ca/index.ts'
import { createIssuanceService } from '../../../src/issuance/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import type { Clock } from '../../../src/runtime/index.ts'
import { localCaClient } from '../../../src/secrets/index.ts'
import { RenewingX509Source } from '../../../src/secrets/renewal/renewing-source.ts'
import type { CaClient } from '../../../src/secrets/index.ts'
import type { CaAnswer, CaRequest } from '../../../src/secrets/internal.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { code } from '../../support/codes.ts'
import { deferred } from '../../support/deferred.ts'
import { callerOf, newRequest, workloadId } from '../../support/pki.ts'

const [minute, hour, day] = [60_000, 3_600_000, 86_400_000]

/** A source and a CA whose clock does not jump with that of the source. */
async function setUp() {
  const clock = new FakeClock()
  const ahead = { ms: 0 }
  const caClock: Clock = {
    now: () => clock.now() - ahead.ms,
    monotonic: () => clock.monotonic(),
    schedule: (callback, delayMs) => clock.schedule(callback, delayMs),
  }
  const newCa = async (): Promise<CaClient> => {
    const signer = await SoftwareSigner.generate('P-256')
    const root = {
      signer,
      certificate: await createRootCertificate(signer, {
        subject: 'CN=root',
        trustDomain: 'example.org',
        clock: caClock,
      }),
    }
    const authority = createCertificateAuthority({ trustDomain: 'example.org', ...root, clock: caClock })
    const issuance = createIssuanceService({ authority, clock: caClock, pruneIntervalSeconds: Infinity })
    return { issue: (request) => localCaClient(issuance, callerOf()).issue(request) }
  }
  const [honest, foreign] = [await newCa(), await newCa()]
  const state = {
    requests: 0,
    answer: (request: CaRequest): Promise<CaAnswer> => honest.issue(request),
  }
  const source = new RenewingX509Source({
    ...{ clock, id: workloadId },
    ca: {
      issue: (request) => {
        state.requests++
        return state.answer(request)
      },
    },
  })
  await source.ready()
  state.requests = 0
  /** Time passes in steps, and what is under way ends in each. */
  const pass = async (ms: number, stepMs = minute): Promise<void> => {
    for (let passed = 0; passed < ms; passed += stepMs) {
      clock.advance(stepMs)
      for (let turn = 0; turn < 3 || source.isRenewing; turn++) {
        await new Promise((resolve) => setImmediate(resolve))
        // Pauses between the attempts of one renewal.
        if (source.isRenewing && turn % 50 === 49) clock.advance(100)
      }
    }
  }
  const jump = (ms: number): void => {
    ahead.ms += ms
    clock.setWallClock(new Date(clock.now() + ms))
  }
  return { clock, source, state, honest, foreign, pass, jump }
}

describe('an hour without the CA', () => {
  test.each([
    ['that cannot be reached', () => Promise.reject(Object.assign(new Error('away'), { retryable: true }))],
    ['that refuses', () => Promise.reject(new Error('refused'))],
  ])('%s: the SVID is served on, requests stay few, and the renewal follows', async (_how, away) => {
    const { source, state, honest, pass } = await setUp()
    const { current } = source
    await pass(11 * hour, hour)
    state.answer = away
    await pass(2 * hour)
    expect(source.current).toBe(current)
    expect(source.status).toMatchObject({ state: 'failing', lastError: expect.any(Error) as Error })
    // At most five attempts every 120 s.
    expect(state.requests).toBeGreaterThan(5)
    expect(state.requests).toBeLessThan(5 * 70)
    state.answer = (request) => honest.issue(request)
    await pass(4 * minute)
    expect(source.current).not.toBe(current)
    expect(source.status).toMatchObject({ state: 'current', lastError: undefined })
    await source[Symbol.asyncDispose]()
  })
})

describe('a wrong answer at a renewal', () => {
  const wrong: Readonly<
    Record<string, (request: CaRequest, cas: { honest: CaClient; foreign: CaClient }) => Promise<CaAnswer>>
  > = {
    'another key': async (_request, { honest }) => honest.issue({ csr: (await newRequest()).request }),
    'the chain of another CA': async (request, { honest, foreign }) => ({
      ...(await honest.issue(request)),
      roots: (await foreign.issue(request)).roots,
    }),
    'no root': async (request, { honest }) => ({ ...(await honest.issue(request)), roots: [] }),
    'nothing that can be read': async () => ({ certificate: 1 }) as unknown as CaAnswer,
    'no answer at all': () => new Promise(() => undefined),
  }
  test.each(Object.entries(wrong))('%s: refused, the old SVID stays', async (what, answer) => {
    const { source, state, honest, foreign } = await setUp()
    const { current } = source
    state.answer = (request) => answer(request, { honest, foreign })
    const renewal = source.renew()
    if (what === 'no answer at all') {
      expect(source.current).toBe(current)
      await Promise.all([source[Symbol.asyncDispose](), expect(renewal).rejects.toThrow(code('ERR_CLOSED'))])
      return
    }
    await expect(renewal).rejects.toThrow(code('ERR_CA_REPLY'))
    expect(source.current).toBe(current)
    expect(source.status.state).toBe('failing')
    state.answer = (request) => honest.issue(request)
    expect(await source.renew()).not.toBe(current)
    await source[Symbol.asyncDispose]()
  })
})

describe('a CA that never answers', () => {
  test('the call ends at its deadline, the next attempt follows, and a late answer is ignored', async () => {
    const { clock, source, state, honest, pass } = await setUp()
    const { current } = source
    const gate = deferred()
    const late = deferred<CaAnswer>()
    let given: AbortSignal | undefined
    state.answer = (request) => {
      given = request.signal
      gate.resolve()
      return late.promise
    }
    const renewal = expect(source.renew()).rejects.toThrow(code('ERR_CA_UNAVAILABLE'))
    await gate.promise
    clock.advance(29_999)
    expect([given?.aborted, source.isRenewing]).toEqual([false, true])
    clock.advance(1)
    await renewal
    expect(given?.aborted).toBe(true)
    expect(source.current).toBe(current)
    expect(source.status).toMatchObject({
      state: 'failing',
      lastError: code('ERR_CA_UNAVAILABLE') as Error,
    })
    expect(state.requests).toBe(1)
    state.answer = (request) => honest.issue(request)
    await pass(2_000, 2_000)
    const { current: next } = source
    expect(next).not.toBe(current)
    late.resolve({ certificate: 1 } as unknown as CaAnswer)
    await pass(2_000, 2_000)
    expect(source.current).toBe(next)
    expect(source.status).toMatchObject({ state: 'current', lastError: undefined })
    await source[Symbol.asyncDispose]()
  })

  test('the deadline is an option, of a second or more', async () => {
    const clock = new FakeClock()
    const gate = deferred()
    const ca: CaClient = {
      issue: () => {
        gate.resolve()
        return new Promise(() => undefined)
      },
    }
    const options = { clock, ca, id: workloadId }
    expect(() => new RenewingX509Source({ ...options, timeoutSeconds: 0 })).toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
    await using source = new RenewingX509Source({ ...options, timeoutSeconds: 2 })
    await gate.promise
    const renewal = expect(source.renew()).rejects.toThrow('the CA did not answer within 2 s')
    clock.advance(2_000)
    await renewal
  })
})

describe('a clock that jumps and comes back', () => {
  test.each([
    ['forward by an hour', hour],
    ['forward by a day', day],
    ['back by an hour', -hour],
    ['back by a day', -day],
  ])('%s: never without an SVID for longer than the jump, and few requests', async (_how, ms) => {
    const { source, state, pass, jump } = await setUp()
    jump(ms)
    await pass(5 * minute)
    // A day ahead, a certificate of a day is over as soon as it is made: there is none, and it says so.
    if (ms === day) {
      expect(source.status.secondsLeft).toBe(0)
    } else expect(source.current.svid.id.toString()).toBe(workloadId.toString())
    expect(state.requests).toBeLessThanOrEqual(10)
    jump(-ms)
    await pass(5 * minute)
    expect(source.status).toMatchObject({ state: 'current', lastError: undefined })
    expect(state.requests).toBeLessThanOrEqual(20)
    // And the next renewal is not late.
    const { current } = source
    await pass(13 * hour, 10 * minute)
    expect(source.current).not.toBe(current)
    await source[Symbol.asyncDispose]()
  })

  test('back by a day for long: answers of the future are refused, the SVID is served on', async () => {
    const { source, pass, jump } = await setUp()
    const { current } = source
    jump(-day)
    await pass(13 * hour, 10 * minute)
    expect(source.current).toBe(current)
    expect(source.status).toMatchObject({ state: 'failing', lastError: code('ERR_CA_REPLY') as Error })
    await source[Symbol.asyncDispose]()
  })
})
