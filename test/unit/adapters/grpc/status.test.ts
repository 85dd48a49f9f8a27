// The mapping of error codes to gRPC statuses, and the text that callers get.

import { describe, expect, it } from 'vitest'
import { PkiError } from '../../../../src/errors/index.ts'
import { grpcStatusOf, issuanceFailure, status } from '../../../../src/adapters/grpc/status.ts'
import {
  isRetryable,
  retryDelayMs,
  defaultRetryPolicy,
} from '../../../../src/adapters/grpc/certificate-client/retry.ts'
import { InFlightLimit } from '../../../../src/adapters/grpc/server/in-flight-limit.ts'
import { waitFor } from '../../../../src/internal/turns/waiting.ts'
import { systemClock } from '../../../../src/runtime/index.ts'

describe('grpcStatusOf', () => {
  it.each([
    ['ERR_CSR_SIGNATURE', status.INVALID_ARGUMENT],
    ['ERR_CSR_TOO_LARGE', status.INVALID_ARGUMENT],
    ['ERR_PEM', status.INVALID_ARGUMENT],
    ['ERR_KEY_WEAK', status.INVALID_ARGUMENT],
    ['ERR_TTL', status.INVALID_ARGUMENT],
    ['ERR_CREDENTIAL_MISSING', status.UNAUTHENTICATED],
    ['ERR_AUTHENTICATOR_UNAVAILABLE', status.UNAVAILABLE],
    ['ERR_KUBERNETES_FORBIDDEN', status.UNAUTHENTICATED],
    ['ERR_IMPERSONATION_DENIED', status.UNAUTHENTICATED],
    ['ERR_OVERLOADED', status.RESOURCE_EXHAUSTED],
    ['ERR_HSM_UNAVAILABLE', status.UNAVAILABLE],
    ['ERR_HSM_SIGNATURE', status.INTERNAL],
    ['ERR_INTERNAL', status.INTERNAL],
    ['ERR_ABORTED', status.CANCELLED],
  ] as const)('%s → %i', (code, wanted) => {
    expect(grpcStatusOf(code)).toBe(wanted)
  })
})

describe('issuanceFailure', () => {
  it("names the requester's fault", () => {
    expect(issuanceFailure(new PkiError('ERR_CSR_SIGNATURE', 'it does not verify'))).toEqual({
      code: 3,
      details: 'CSR signing error (ERR_CSR_SIGNATURE: it does not verify)',
    })
  })

  it.each([
    new PkiError('ERR_HSM_REFUSED', 'secret-detail'),
    new TypeError('secret-detail'),
    'secret-detail',
    undefined,
  ])('says nothing of ours: %#', (error) => {
    const answer = issuanceFailure(error)
    expect(answer.code).toBe(status.INTERNAL)
    expect(answer.details).not.toContain('secret-detail')
  })
})

describe('the retry policy', () => {
  it('waits 100, 200, 400, 800 ms, a tenth more or less', () => {
    expect([1, 2, 3, 4].map((attempt) => retryDelayMs(defaultRetryPolicy, attempt, 0.5))).toEqual([
      100, 200, 400, 800,
    ])
    expect(retryDelayMs(defaultRetryPolicy, 1, 0)).toBeCloseTo(90)
    expect(retryDelayMs(defaultRetryPolicy, 1, 1)).toBeCloseTo(110)
    for (let i = 0; i < 100; i++)
      expect(Math.abs(retryDelayMs(defaultRetryPolicy, 1) - 100)).toBeLessThanOrEqual(10)
  })

  it.each([
    [1, true],
    [4, true],
    [8, true],
    [10, true],
    [13, true],
    [14, true],
    [3, false],
    [7, false],
    [16, false],
    [5, false],
  ])('status %i: %s', (code, again) => {
    expect(isRetryable(code)).toBe(again)
  })

  it('ends the wait when its caller gives up', async () => {
    const given = new AbortController()
    const waiting = waitFor(systemClock, 3_600_000, given.signal)
    given.abort()
    await expect(waiting).rejects.toThrow(expect.objectContaining({ code: 'ERR_ABORTED' }))
    await expect(waitFor(systemClock, 3_600_000, given.signal)).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_ABORTED' }),
    )
  })
})

describe('InFlightLimit', () => {
  it('refuses past the limit and recovers', () => {
    const limit = new InFlightLimit(2)
    limit.enter()
    limit.enter()
    expect(() => limit.enter()).toThrow(expect.objectContaining({ code: 'ERR_OVERLOADED' }))
    limit.leave()
    limit.enter()
    expect(limit.count).toBe(2)
  })
})
