// The pool without a token: sessions are numbered, the clock is told what time it is.

import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { CircuitBreaker } from '../../../../src/adapters/pkcs11/token/circuit-breaker.ts'
import { HsmError } from '../../../../src/adapters/pkcs11/cryptoki/return-value.ts'
import { SessionPool } from '../../../../src/adapters/pkcs11/token/session-pool.ts'
import type { TokenSession } from '../../../../src/adapters/pkcs11/token/token.ts'
import { PkiError } from '../../../../src/errors/index.ts'
import { FakeClock } from '../../../../src/testing/index.ts'
import { code } from '../../../support/codes.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const full = (): HsmError => new HsmError('ERR_HSM_SESSION_LIMIT', 'as told', 'CKR_SESSION_COUNT', 'limit')

function setup(options: { size?: number; queueLimit?: number; open?: () => Promise<void> } = {}) {
  const clock = new FakeClock()
  const state = { opened: 0, closed: 0, stale: new Set<TokenSession>() }
  const pool = new SessionPool({
    size: options.size ?? 2,
    queueLimit: options.queueLimit ?? 100,
    timeoutMs: 1000,
    clock,
    open: async () => {
      await options.open?.()
      return { handle: Buffer.of(++state.opened), moduleEpoch: 1, tokenEpoch: 1, input: undefined }
    },
    close: () => state.closed++,
    isStale: (session) => state.stale.has(session),
  })
  const outcome = (acquired: TokenSession | Promise<TokenSession>): Promise<unknown> =>
    Promise.resolve(acquired).catch((error: unknown) => (error as PkiError).code)
  return { clock, state, pool, outcome }
}

describe('SessionPool', () => {
  it('opens a session for each caller up to its size, and then lends those', async () => {
    const { pool, state } = setup()
    const [a, b] = await Promise.all([pool.acquire(), pool.acquire()])
    const third = pool.acquire()
    await turn()
    expect(pool.counts).toEqual({ open: 2, busy: 2, waiting: 1 })
    pool.release(a)
    expect(await third).toBe(a)
    pool.release(a)
    pool.release(b)
    expect([pool.acquire() instanceof Promise, state.opened]).toEqual([false, 2])
  })

  it('closes what failed, and opens another when somebody needs one', async () => {
    const { pool, state } = setup({ size: 1 })
    const first = await pool.acquire()
    const waiting = pool.acquire()
    pool.discard(first)
    expect(await waiting).not.toBe(first)
    expect(state).toMatchObject({ opened: 2, closed: 1 })
    // What was given back once is nobody's to give back.
    pool.discard(first)
    pool.release(first)
    expect(state).toMatchObject({ opened: 2, closed: 1 })
  })

  it('lends no session of an earlier connection', async () => {
    const { pool, state } = setup()
    const [a, b] = await Promise.all([pool.acquire(), pool.acquire()])
    pool.release(a)
    state.stale.add(a).add(b)
    pool.release(b)
    const next = await pool.acquire()
    expect([next === a, next === b, state.closed]).toEqual([false, false, 2])
  })

  it('forgets whoever is stopped while he waits, and nobody else', async () => {
    const { pool, outcome } = setup({ size: 1 })
    const held = await pool.acquire()
    const [stopped, kept] = [new AbortController(), new AbortController()]
    const removed = vi.spyOn(kept.signal, 'removeEventListener')
    const [first, second] = [outcome(pool.acquire(stopped.signal)), outcome(pool.acquire(kept.signal))]
    stopped.abort(new Error('changed my mind'))
    expect(await first).toBe('ERR_ABORTED')
    expect(pool.counts.waiting).toBe(1)
    pool.release(held)
    expect(await second).toBe(held)
    expect(removed).toHaveBeenCalled()
    // Too late: the session is his, and stays so.
    kept.abort()
    expect(pool.counts).toEqual({ open: 1, busy: 1, waiting: 0 })
    expect(() => pool.acquire(AbortSignal.abort())).toThrow(code('ERR_ABORTED'))
  })

  it('queues so many and no more', async () => {
    const { pool, outcome } = setup({ size: 1, queueLimit: 2 })
    await pool.acquire()
    const waiting = [outcome(pool.acquire()), outcome(pool.acquire())]
    expect(() => pool.acquire()).toThrow(code('ERR_HSM_QUEUE_FULL'))
    pool.failWaiting(new PkiError('ERR_HSM_UNAVAILABLE', 'as told'))
    expect(await Promise.all(waiting)).toEqual(['ERR_HSM_UNAVAILABLE', 'ERR_HSM_UNAVAILABLE'])
  })

  it('lets nobody wait longer than he may', async () => {
    const { pool, clock, outcome } = setup({ size: 1 })
    await pool.acquire()
    const early = outcome(pool.acquire())
    clock.advance(600)
    const late = outcome(pool.acquire())
    clock.advance(500)
    expect(await early).toBe('ERR_HSM_TIMEOUT')
    expect(pool.counts.waiting).toBe(1)
    clock.advance(700)
    expect(await late).toBe('ERR_HSM_TIMEOUT')
  })

  it('keeps the session of a call that hangs until it comes back, and closes it then', async () => {
    const { pool, clock, state } = setup({ size: 1 })
    const session = await pool.acquire()
    let answer = (): void => undefined
    const watched = pool.watch(session, new Promise<string>((resolve) => (answer = () => resolve('late'))))
    const failed = expect(watched).rejects.toThrow(code('ERR_HSM_TIMEOUT'))
    clock.advance(1300)
    await failed
    pool.discard(session)
    expect([pool.counts.open, state.closed]).toEqual([1, 0])
    const waiting = pool.acquire()
    answer()
    expect(await waiting).not.toBe(session)
    expect(state.closed).toBe(1)
  })

  it('shares what a token has, and asks for more after a while', async () => {
    let limit = 1
    let sessions = 0
    const { pool, clock } = setup({
      size: 4,
      open: async () => {
        if (++sessions > limit) throw full()
      },
    })
    const first = await pool.acquire()
    const second = pool.acquire()
    await turn()
    pool.release(first)
    expect(await second).toBe(first)
    limit = 99
    const third = pool.acquire()
    await turn()
    expect(pool.counts).toEqual({ open: 1, busy: 1, waiting: 1 })
    pool.release(first)
    await third
    clock.advance(31_000)
    const fourth = pool.acquire()
    expect(await fourth).not.toBe(first)
  })

  it('tells one who waits why no session could be opened, and tries again for the next', async () => {
    let failures = 1
    const { pool, outcome } = setup({
      open: async () => {
        if (failures-- > 0) throw new PkiError('ERR_HSM_PIN', 'as told')
      },
    })
    const outcomes = await Promise.all([outcome(pool.acquire()), outcome(pool.acquire())])
    expect(outcomes.filter((one) => one === 'ERR_HSM_PIN')).toHaveLength(1)
    expect(pool.counts.open).toBe(1)
  })

  it(
    'closes every session when it is closed: those that run when they have run, those that are ' +
      'being opened when they are open',
    async () => {
      let opened = (): void => undefined
      let slow = false
      const { pool, state, outcome } = setup({
        size: 3,
        open: () => (slow ? new Promise((resolve) => (opened = resolve)) : Promise.resolve()),
      })
      const [a, b] = await Promise.all([pool.acquire(), pool.acquire()])
      pool.release(a)
      slow = true
      const [again, opening] = [pool.acquire(), outcome(pool.acquire())]
      const closing = pool.close()
      expect(await opening).toBe('ERR_CLOSED')
      expect(() => pool.acquire()).toThrow(code('ERR_CLOSED'))
      pool.release(b)
      pool.discard(await again)
      await closing
      await pool.close()
      expect(state.opened - state.closed).toBe(0)
      opened()
      await turn()
      expect(state).toMatchObject({ opened: 3, closed: 3 })
      pool.adopt({ handle: Buffer.of(9), moduleEpoch: 1, tokenEpoch: 1, input: undefined })
      expect(state.closed).toBe(4)
    },
  )

  it('waits no longer for a call that hangs than for any other, when it is closed', async () => {
    const { pool, clock } = setup()
    await pool.acquire()
    const closing = pool.close()
    clock.advance(1001)
    await closing
    expect(clock.pending).toBe(0)
  })

  it('adopts a session that was opened elsewhere, where there is room', async () => {
    const { pool, state } = setup({ size: 1 })
    const session: TokenSession = { handle: Buffer.of(7), moduleEpoch: 1, tokenEpoch: 1, input: undefined }
    pool.adopt(session)
    expect(pool.acquire()).toBe(session)
    pool.adopt({ ...session })
    expect([pool.counts.open, state.closed]).toEqual([1, 1])
    expect(() => pool.watch({ ...session }, Promise.resolve())).toThrow(code('ERR_INTERNAL'))
    pool.failWaiting(new PkiError('ERR_HSM_UNAVAILABLE', 'nobody waits'))
    expect(pool.shed()).toBe(false)
  })

  it('loses no session and lends none twice, whatever happens in whatever order', async () => {
    const step = fc.constantFrom(
      'acquire',
      'release',
      'discard',
      'stale',
      'advance',
      'abort',
      'shed',
      'fail next',
      'full next',
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const failures: Error[] = []
        const { pool, state, clock } = setup({
          size: 3,
          queueLimit: 5,
          open: async () => {
            const failure = failures.shift()
            if (failure !== undefined) throw failure
          },
        })
        const held: TokenSession[] = []
        const controllers: AbortController[] = []
        const take = async (signal: AbortSignal): Promise<void> => {
          try {
            const session = await pool.acquire(signal)
            expect(held).not.toContain(session)
            held.push(session)
          } catch (error) {
            expect((error as PkiError).code).toMatch(
              /^ERR_(HSM_QUEUE_FULL|HSM_TIMEOUT|ABORTED|HSM_UNAVAILABLE|HSM_SESSION_LIMIT|CLOSED)$/,
            )
          }
        }
        for (const one of steps) {
          if (one === 'acquire') {
            const controller = new AbortController()
            controllers.push(controller)
            void take(controller.signal)
          } else if (one === 'release') pool.release(held.shift() as TokenSession)
          else if (one === 'discard') pool.discard(held.shift() as TokenSession)
          else if (one === 'stale' && held[0] !== undefined) state.stale.add(held[0])
          else if (one === 'advance') clock.advance(700)
          else if (one === 'abort') controllers.shift()?.abort()
          else if (one === 'shed') pool.shed()
          else if (one === 'fail next') failures.push(new PkiError('ERR_HSM_UNAVAILABLE', 'as told'))
          else failures.push(full())
          await turn()
          expect(state.opened - state.closed).toBe(pool.counts.open)
          expect(pool.counts.open).toBeLessThanOrEqual(3)
          expect(pool.counts.busy).toBe(held.length)
        }
        const closing = pool.close()
        for (const session of held.splice(0)) pool.release(session)
        await closing
        expect(state.opened).toBe(state.closed)
      }),
      { numRuns: 300 },
    )
  })
})

describe('CircuitBreaker', () => {
  const failure = new PkiError('ERR_HSM_UNAVAILABLE', 'as told')
  function breaker(answers: readonly boolean[]) {
    const clock = new FakeClock()
    const probes: number[] = []
    const made = new CircuitBreaker({
      clock,
      threshold: 3,
      firstProbeMs: 100,
      longestProbeMs: 400,
      probe: async () => {
        probes.push(clock.monotonic())
        if (answers[probes.length - 1] !== true) throw failure
      },
    })
    return { clock, probes, made }
  }

  it('opens after so many failures in a row, or at once when the backend is gone', () => {
    const { made } = breaker([])
    made.failed(failure, false)
    made.failed(failure, false)
    made.succeeded()
    made.failed(failure, false)
    made.failed(failure, false)
    expect(made.isOpen).toBe(false)
    made.check()
    made.failed(failure, false)
    expect(() => made.check()).toThrow(
      expect.objectContaining({ code: 'ERR_HSM_UNAVAILABLE', cause: failure }),
    )
    const gone = breaker([]).made
    gone.failed(failure, true)
    expect(gone.isOpen).toBe(true)
  })

  it('probes ever more rarely, one at a time, and is half open after the first that holds', async () => {
    const { made, clock, probes } = breaker([false, false, false, false, true])
    made.failed(failure, true)
    made.failed(failure, true)
    for (let i = 0; i < 16; i++) {
      clock.advance(100)
      await turn()
    }
    expect(probes).toEqual([100, 300, 700, 1100, 1500])
    expect(made.isOpen).toBe(false)
    made.failed(failure, false)
    expect(made.isOpen).toBe(true)
  })

  it('probes no more once it is stopped, nor when a probe was on its way', async () => {
    const { made, clock, probes } = breaker([])
    made.failed(failure, true)
    clock.advance(100)
    made.stop()
    await turn()
    clock.advance(10_000)
    await turn()
    expect([probes.length, clock.pending]).toEqual([1, 0])
    made.failed(failure, true)
    expect(clock.pending).toBe(0)
  })
})
