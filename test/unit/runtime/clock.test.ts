// The system clock and its timers.

import { execFileSync } from 'node:child_process'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { systemClock } from '../../../src/runtime/index.ts'
import { noMetrics } from '../../../src/runtime/metrics.ts'
import { silentLogger } from '../../../src/runtime/internal.ts'

describe('a program whose last timer it is', () => {
  test.each([
    { options: '{ keepAlive: true }', delayMs: 1, printed: 'waited' },
    { options: 'undefined', delayMs: 60_000, printed: '' },
  ])('with options $options prints "$printed"', ({ options, delayMs, printed }) => {
    const runtime = new URL('../../../src/runtime/index.ts', import.meta.url).href
    const program =
      `import { systemClock } from ` +
      `${JSON.stringify(runtime)}; systemClock.schedule(() => console.log('waited'), ${delayMs}, ${options})`
    expect(
      execFileSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
        encoding: 'utf8',
      }).trim(),
    ).toBe(printed)
  })
})

describe('systemClock', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: 1_700_000_000_000 })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  test('now is milliseconds since the epoch', () => {
    expect(systemClock.now()).toBe(1_700_000_000_000)
  })

  test('monotonic never goes back, whatever the wall clock does', () => {
    const before = systemClock.monotonic()
    vi.advanceTimersByTime(5)
    vi.setSystemTime(0)
    expect(systemClock.monotonic()).toBeGreaterThanOrEqual(before)
  })

  test('schedule runs the callback once, after the delay', () => {
    const callback = vi.fn()
    systemClock.schedule(callback, 1000)
    vi.advanceTimersByTime(999)
    expect(callback).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    vi.advanceTimersByTime(10_000)
    expect(callback).toHaveBeenCalledTimes(1)
  })

  test('what schedule returns stops it, also twice and also after it ran', () => {
    const callback = vi.fn()
    const stop = systemClock.schedule(callback, 1000)
    stop()
    stop()
    vi.advanceTimersByTime(10_000)
    expect(callback).not.toHaveBeenCalled()
  })

  test('waits longer than a timer of the platform can', () => {
    const days = 90 * 24 * 3600 * 1000
    const callback = vi.fn()
    systemClock.schedule(callback, days)
    vi.advanceTimersByTime(days - 1)
    expect(callback).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(callback).toHaveBeenCalledTimes(1)
  })

  test('a long wait can be stopped between its steps', () => {
    const callback = vi.fn()
    const stop = systemClock.schedule(callback, 2 ** 32)
    vi.advanceTimersByTime(2 ** 31 + 1)
    stop()
    vi.advanceTimersByTime(2 ** 33)
    expect(callback).not.toHaveBeenCalled()
  })

  test('a negative delay runs at the next turn', () => {
    const callback = vi.fn()
    systemClock.schedule(callback, -5)
    vi.advanceTimersByTime(1)
    expect(callback).toHaveBeenCalledTimes(1)
  })
})

describe('defaults', () => {
  test('silentLogger and noMetrics take everything and do nothing', () => {
    for (const level of ['debug', 'info', 'warn', 'error'] as const)
      expect(silentLogger[level]({ a: 1 }, 'text')).toBeUndefined()
    expect(noMetrics.count('certificates_revoked', { reason: 'superseded' }, 2)).toBeUndefined()
    expect(noMetrics.gauge('audit_pending_entries', 3)).toBeUndefined()
    expect(noMetrics.observe('csr_processing_duration_seconds', 0.1)).toBeUndefined()
  })
})
