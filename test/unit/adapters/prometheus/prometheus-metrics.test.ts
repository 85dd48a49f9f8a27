// Metrics in a registry of prom-client: names, labels, limits.

import { Counter, Registry } from 'prom-client'
import { describe, expect, it } from 'vitest'
import { createPrometheusMetrics } from '../../../../src/adapters/prometheus/index.ts'
import { metricNames } from '../../../../src/runtime/index.ts'
import { metricRows, safeMetrics } from '../../../../src/runtime/internal.ts'
import { contracts } from '../../../../src/testing/index.ts'
import { code } from '../../../support/codes.ts'
import { itKeeps } from '../../../support/contract.ts'

async function open(options: Parameters<typeof createPrometheusMetrics>[0] = {}) {
  const registry = new Registry()
  return { registry, metrics: await createPrometheusMetrics({ registry, ...options }) }
}

describe('a registry', () => {
  it('has every metric of the table once, with help', async () => {
    const { registry } = await open()
    const found = await registry.getMetricsAsJSON()
    expect(found).toHaveLength(metricRows.length)
    for (const { name, help } of found) expect([name, help.length > 10]).toEqual([name, true])
  })

  it('has the names that Istio and the articles give', async () => {
    const { registry } = await open()
    const names = (await registry.getMetricsAsJSON()).map(({ name }) => name)
    expect(names).toEqual(
      expect.arrayContaining([
        ...['citadel_server_csr_count', 'citadel_server_success_cert_issuance_count'],
        ...['citadel_server_authentication_failure_count', 'citadel_server_csr_sign_err_count'],
        ...['citadel_server_root_cert_expiry_timestamp', 'citadel_server_root_cert_expiry_seconds'],
        ...['citadel_server_cert_chain_expiry_timestamp', 'citadel_server_cert_chain_expiry_seconds'],
        ...['certificates_issued_total', 'certificate_rotation_duration_seconds'],
        ...['csr_processing_duration_seconds', 'csr_errors_total', 'root_ca_cert_expiry_timestamp'],
        ...['mtls_policy_violations_total'],
      ]),
    )
  })

  it('is shared by two calls, and refused with a metric of other labels', async () => {
    const { registry, metrics } = await open()
    const again = await createPrometheusMetrics({ registry })
    metrics.count(metricNames.svidRenewals)
    again.count(metricNames.svidRenewals, {}, 2)
    expect(await registry.metrics()).toContain('svid_renewals_total 3')
    const other = new Registry()
    new Counter({ name: 'svid_renewals_total', help: 'x', labelNames: ['a'], registers: [other] })
    await expect(createPrometheusMetrics({ registry: other })).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it('holds observations in the buckets of the table', async () => {
    const { registry, metrics } = await open()
    metrics.observe(metricNames.csrProcessingSeconds, 0.07)
    expect(await registry.metrics()).toContain('csr_processing_duration_seconds_bucket{le="0.1"} 1')
  })
})

describe('labels', () => {
  it('are bounded in number and length, whatever is counted', async () => {
    const { registry, metrics } = await open({ maxLabelSets: 10, maxLabelLength: 16 })
    for (let at = 0; at < 1000; at++)
      metrics.count(metricNames.certificatesIssued, {
        trust_domain: 'example.org',
        namespace: `n${at}`,
        service_account: 'x'.repeat(100_000),
      })
    const text = await registry.metrics()
    const lines = text.split('\n').filter((line) => line.startsWith('certificates_issued_total{'))
    expect(lines).toHaveLength(11)
    expect(lines.find((line) => line.includes('namespace="other"'))).toMatch(/ 990$/)
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(200)
  })

  it('carry no control characters and no half characters', async () => {
    const { registry, metrics } = await open()
    metrics.count(metricNames.certificatesRefused, { rule: 'a\r\nb\u0000\ud800"\\' })
    const line = (await registry.metrics()).split('\n').find((one) => one.startsWith('certificates_refused'))
    expect(line).toContain('\\"\\\\')
    expect(line).not.toMatch(/\p{Cc}/u)
  })

  it('that a metric does not have are refused, as are names of another kind', async () => {
    const { metrics } = await open()
    const refusal = code('ERR_INVALID_ARGUMENT')
    expect(() => metrics.count(metricNames.svidRenewals, { a: 'b' })).toThrow(refusal)
    expect(() => metrics.count(metricNames.crlAge as never)).toThrow(refusal)
    expect(() => metrics.gauge('nothing' as never, 1)).toThrow(refusal)
    // Such a failure reaches nobody who counts.
    expect(safeMetrics('X', metrics).count(metricNames.svidRenewals, { a: 'b' })).toBeUndefined()
  })
})

describe('options', () => {
  it.each([{ registry: {} }, { maxLabelSets: 0 }, { maxLabelLength: 4 }, { prefix: 'a' }, null])(
    'refuses %j',
    async (options) => {
      await expect(createPrometheusMetrics(options as never)).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    },
  )
})

const opened = await Promise.all(Array.from({ length: 8 }, () => open()))

describe('the contract of Metrics', () => {
  itKeeps(
    contracts.Metrics({
      open: () => {
        const { registry, metrics } = opened.pop()!
        const value = async (name: string, labels: Readonly<Record<string, string>>): Promise<unknown> => {
          const found = registry.getSingleMetric(`${name}_total`) ?? registry.getSingleMetric(name)
          const { values } = await found!.get()
          const isWanted = (given: object): boolean => JSON.stringify(given) === JSON.stringify(labels)
          return values.find((one) => isWanted(one.labels))?.value
        }
        return { metrics, value }
      },
    }),
  )
})
