// Loggers and metrics: contract, defaults, failing sinks, metric names.

import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test, vi } from 'vitest'
import { metricNames } from '../../../src/runtime/index.ts'
import { noMetrics } from '../../../src/runtime/metrics.ts'
import { safeLogger, safeMetrics, silentLogger } from '../../../src/runtime/internal.ts'
import type { Logger, Metrics } from '../../../src/runtime/index.ts'
import { code } from '../../support/codes.ts'

const levels = ['debug', 'info', 'warn', 'error'] as const
const fails = (): never => {
  throw new Error('disk full')
}
const rejects = (() => Promise.reject(new Error('socket closed'))) as unknown as () => void

describe('safeLogger', () => {
  test('is the silent logger where none is given', () => {
    expect(safeLogger('X', undefined)).toBe(silentLogger)
    expect(safeLogger('X', silentLogger)).toBe(silentLogger)
  })

  test.each([
    ['throws', fails],
    ['rejects', rejects],
  ] as const)('ignores a logger that %s', async (_, call) => {
    const logger = safeLogger('X', { debug: call, info: call, warn: call, error: call })
    for (const level of levels) expect(logger[level]({ a: 1 }, 'text')).toBeUndefined()
    // An unhandled rejection would fail this run.
    await new Promise((resolve) => setImmediate(resolve))
  })

  test('calls the methods of the logger with their own this', () => {
    class Own {
      lines: unknown[] = []
      debug(...line: unknown[]): void {
        this.lines.push(line)
      }
      info(...line: unknown[]): void {
        this.lines.push(line)
      }
      warn(...line: unknown[]): void {
        this.lines.push(line)
      }
      error(...line: unknown[]): void {
        this.lines.push(line)
      }
    }
    const own = new Own()
    const logger = safeLogger('X', own)
    for (const level of levels) logger[level]({ level }, level)
    expect(own.lines).toEqual(levels.map((level) => [{ level }, level]))
  })

  test('wraps once, however many objects pass it on', () => {
    const once = safeLogger('X', console)
    expect(safeLogger('Y', once)).toBe(once)
  })

  test.each([
    [null],
    [42],
    ['console'],
    [() => undefined],
    [{}],
    [{ debug: fails, info: fails, warn: fails }],
  ])('refuses %j, which lacks a method', (given) => {
    expect(() => safeLogger('X', given as unknown as Logger)).toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})

describe('safeMetrics', () => {
  test('is noMetrics where none is given', () => {
    expect(safeMetrics('X', undefined)).toBe(noMetrics)
    expect(safeMetrics('X', noMetrics)).toBe(noMetrics)
  })

  test.each([
    ['throws', fails],
    ['rejects', rejects],
  ] as const)('ignores a registry that %s', async (_, call) => {
    const metrics = safeMetrics('X', { count: call, gauge: call, observe: call })
    expect([
      metrics.count('svid_renewals'),
      metrics.gauge('crl_age_seconds', 1),
      metrics.observe('csr_processing_duration_seconds', 1),
    ]).toEqual([undefined, undefined, undefined])
    await new Promise((resolve) => setImmediate(resolve))
  })

  test('passes every argument on', () => {
    const own = { count: vi.fn<Metrics['count']>(), gauge: vi.fn(), observe: vi.fn() }
    const metrics = safeMetrics('X', own)
    metrics.count('svid_renewals', { k: 'v' }, 3)
    metrics.gauge('crl_age_seconds', 1, { k: 'v' })
    metrics.observe('csr_processing_duration_seconds', 2)
    expect([own.count.mock.calls, own.gauge.mock.calls, own.observe.mock.calls]).toEqual([
      [['svid_renewals', { k: 'v' }, 3]],
      [['crl_age_seconds', 1, { k: 'v' }]],
      [['csr_processing_duration_seconds', 2]],
    ])
    expect(safeMetrics('Y', metrics)).toBe(metrics)
  })

  test.each([[null], [{}], [{ count: fails, gauge: fails }]])('refuses %j, which lacks a method', (given) => {
    expect(() => safeMetrics('X', given as unknown as Metrics)).toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})

describe('metricNames', () => {
  test('are unique, in the form that Prometheus takes', () => {
    const names = Object.values(metricNames)
    expect(new Set(names).size).toBe(names.length)
    for (const name of names) expect(name).toMatch(/^[a-z][a-z0-9_]*$/)
  })

  test('no other file of src names a metric', () => {
    const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter(
      (file) =>
        // A contract suite calls a sink that somebody else wrote.
        file.endsWith('.ts') && !file.startsWith('testing'),
    )
    const found = files.filter((file) =>
      /\b(?:metrics|Metrics)\??\.(?:count|gauge|observe)\(\s*['"`]/.test(readFileSync(`src/${file}`, 'utf8')),
    )
    expect(found).toEqual([])
  })

  test('no other file of src defaults to a logger that may throw', () => {
    const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((file) =>
      file.endsWith('.ts'),
    )
    const found = files.filter((file) =>
      /\?\? (?:silentLogger|noMetrics)\b/.test(readFileSync(`src/${file}`, 'utf8')),
    )
    expect(found).toEqual([])
  })
})
