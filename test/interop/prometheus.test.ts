// promtool reads and tests the alerts; a real Prometheus scrapes our registry and answers every query of the
// dashboard.

import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Registry } from 'prom-client'
import { describe, expect, it } from 'vitest'
import { createPrometheusMetrics } from '../../src/adapters/prometheus/index.ts'
import type { Metrics } from '../../src/runtime/index.ts'
import { metricRows } from '../../src/runtime/internal.ts'
import { requires } from '../support/requires.ts'

const run = promisify(execFile)
const present = requires('prometheus')
const dashboard = JSON.parse(readFileSync('docs/dashboard.json', 'utf8')) as {
  readonly panels: readonly {
    readonly title: string
    readonly targets: readonly { readonly expr: string }[]
  }[]
}
const queries = dashboard.panels.flatMap(({ title, targets }) =>
  targets.map(({ expr }) => [title, expr] as const),
)
const alerts = readFileSync('docs/alerts.yaml', 'utf8')

it('alerts and dashboard name only metrics that there are', () => {
  const names = new Set<string>()
  for (const { name, kind } of metricRows) {
    names.add(name)
    if (kind === 'counter') names.add(`${name}_total`)
    if (kind === 'histogram') names.add(`${name}_bucket`)
  }
  const texts = [
    ...queries.map(([, expr]) => expr),
    ...[...alerts.matchAll(/expr: (.*)/g)].map(([, expr]) => expr!),
  ]
  for (const text of texts) {
    const found = [...text.matchAll(/\b[a-z][a-z0-9]*(?:_[a-z0-9]+)+\b/g)].map(([name]) => name)
    const isKnown = (name: string): boolean =>
      names.has(name) || ['histogram_quantile', 'error_type'].includes(name)
    expect(
      found.filter((name) => !isKnown(name)),
      text,
    ).toEqual([])
  }
})

describe.skipIf(!present)('promtool', () => {
  it('finds no fault in the alerts', async () => {
    const { stdout } = await run('promtool', ['check', 'rules', 'docs/alerts.yaml'])
    expect(stdout).toContain('SUCCESS')
  })

  it('has each alert fire, and stay quiet', async () => {
    const tested = readFileSync('test/interop/alerts-test.yaml', 'utf8')
    for (const [, name] of alerts.matchAll(/alert: (\w+)/g))
      for (const what of ['fires', 'is quiet']) expect(tested).toContain(`name: ${name} ${what}`)
    const { stdout, stderr } = await run('promtool', ['test', 'rules', 'test/interop/alerts-test.yaml'])
    expect(stdout + stderr).toContain('SUCCESS')
  })
})

/** Something of every metric. */
function touch(metrics: Metrics, by: number): void {
  for (const { name, kind, labels } of metricRows) {
    const values = Object.fromEntries(labels.map((label) => [label, 'x']))
    if (kind === 'counter') metrics.count(name as never, values, by)
    else if (kind === 'gauge') metrics.gauge(name as never, by, values)
    else metrics.observe(name as never, by / 100, values)
  }
}

it.skipIf(!present)(
  'Prometheus scrapes our registry, and every query of the dashboard has a result',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'prometheus-'))
    const registry = new Registry()
    const metrics = await createPrometheusMetrics({ registry })
    touch(metrics, 1)
    const server = createServer((_, response) => {
      touch(metrics, 2)
      void registry.metrics().then((text) => {
        response.setHeader('content-type', registry.contentType)
        response.end(text)
      })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const target = `127.0.0.1:${(server.address() as AddressInfo).port}`
    writeFileSync(
      join(folder, 'prometheus.yml'),
      `global: { scrape_interval: 1s, evaluation_interval: 1s }\n` +
        `rule_files: ['${process.cwd()}/docs/alerts.yaml']\n` +
        `scrape_configs:\n  - job_name: ca\n    static_configs: [{ targets: ['${target}'] }]\n`,
    )
    const free = createServer().listen(0, '127.0.0.1')
    await once(free, 'listening')
    const address = `127.0.0.1:${(free.address() as AddressInfo).port}`
    free.close()
    const prometheus = spawn(
      'prometheus',
      [
        `--config.file=${folder}/prometheus.yml`,
        `--storage.tsdb.path=${folder}/data`,
        `--web.listen-address=${address}`,
      ],
      { stdio: 'ignore' },
    )
    const ask = async (query: string): Promise<readonly unknown[]> => {
      const url = `http://${address}/api/v1/query?query=${encodeURIComponent(query)}`
      const answer = (await (await fetch(url)).json()) as {
        status: string
        error?: string
        data: { result: unknown[] }
      }
      if (answer.status !== 'success') throw new Error(`${query}: ${answer.error}`)
      return answer.data.result
    }
    try {
      for (const [title, expr] of queries)
        await expect
          .poll(() => ask(expr).catch(() => []), { message: `${title}: ${expr}`, interval: 250 })
          .not.toHaveLength(0)
      const rules = (await (await fetch(`http://${address}/api/v1/rules`)).json()) as {
        data: { groups: { rules: { health: string }[] }[] }
      }
      const found = rules.data.groups.flatMap((group) => group.rules)
      expect(found.length).toBeGreaterThan(10)
      expect(found.filter(({ health }) => health === 'err')).toEqual([])
    } finally {
      prometheus.kill()
      await once(prometheus, 'exit')
      server.closeAllConnections()
      server.close()
      rmSync(folder, { recursive: true, force: true })
    }
  },
)
