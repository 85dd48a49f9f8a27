// Metrics over a registry of prom-client: every metric registered once, labels bounded in number and length.

import type { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { PkiError } from '../../errors/index.ts'
import { requireCount } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import { nameOf } from '../../internal/values/name-of.ts'
import type { Metrics } from '../../runtime/index.ts'
import { metricRows } from '../../runtime/internal.ts'
import type { MetricRow } from '../../runtime/internal.ts'
import { LabelLimit } from './label-limit.ts'

type PromClient = Pick<typeof import('prom-client'), 'Counter' | 'Gauge' | 'Histogram' | 'register'>
type Labels = Readonly<Record<string, string>>

/** Options of `createPrometheusMetrics`. @inline */
export interface PrometheusMetricsOptions {
  /** The registry of the metrics. Default: the global registry of `prom-client`. */
  readonly registry?: Registry | undefined
  /** Another copy of the package. Default: `import('prom-client')`. */
  readonly client?: PromClient | undefined
  /**
   * Maximum number of sets of label values of one metric; further ones are counted under the value `other`.
   * Default 1,000.
   */
  readonly maxLabelSets?: number | undefined
  /** Maximum length of a label value in characters; longer ones are cut. Default 128. */
  readonly maxLabelLength?: number | undefined
}

/**
 * Metrics for the options `metrics` of this package, in a registry of `prom-client` 15. Names are those of
 * `metricNames`; those of counters end with `_total`, except Istio's `citadel_server_…` and `istio_agent_…`,
 * which have Istio's names. Two calls on one registry share its metrics.
 *
 * @throws ERR_PEER_NOT_INSTALLED; ERR_INVALID_ARGUMENT, also for a registry that has a metric of one of the
 *   names with other labels
 * @example
 * ```ts
 * import { createServer } from 'node:http'
 * import { Registry } from 'prom-client'
 * const registry = new Registry()
 * const metrics = await createPrometheusMetrics({ registry })
 * createServer(async (_, response) => void response.end(await registry.metrics())).listen(9464)
 * ```
 */
export async function createPrometheusMetrics(options: PrometheusMetricsOptions = {}): Promise<Metrics> {
  const read = readOptions('createPrometheusMetrics', options, {
    registry: 'optional',
    client: 'optional',
    maxLabelSets: 'optional',
    maxLabelLength: 'optional',
  })
  const limits = {
    maxLabelSets: requireCount('maxLabelSets', read.maxLabelSets ?? 1000, 1, 100_000),
    maxLabelLength: requireCount('maxLabelLength', read.maxLabelLength ?? 128, 5, 1024),
  }
  const client = read.client ?? (await loadClient())
  const registry = read.registry ?? client.register
  if (typeof (Object(registry) as Partial<Registry>).getSingleMetric !== 'function')
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `createPrometheusMetrics: registry must be a Registry of prom-client, found ${nameOf(registry)}`,
    )
  return new PrometheusMetrics(client, registry, limits)
}

/** @throws ERR_PEER_NOT_INSTALLED */
async function loadClient(): Promise<PromClient> {
  try {
    return await import('prom-client')
  } catch (cause) {
    throw new PkiError(
      'ERR_PEER_NOT_INSTALLED',
      'spiffe-pki/prometheus needs the package prom-client 15: npm install prom-client',
      { cause },
    )
  }
}

interface Registered {
  readonly row: MetricRow
  readonly metric: Counter | Gauge | Histogram
  readonly labels: LabelLimit
}

class PrometheusMetrics implements Metrics {
  readonly #registered = new Map<string, Registered>()

  constructor(
    client: PromClient,
    registry: Registry,
    limits: { readonly maxLabelSets: number; readonly maxLabelLength: number },
  ) {
    for (const row of metricRows) {
      const metric = registered(registry, row) ?? register(client, registry, row)
      this.#registered.set(row.name, { row, metric, labels: new LabelLimit(row.labels, limits) })
    }
  }

  count(name: string, labels: Labels = {}, by = 1): void {
    const { metric, limited } = this.#of(name, 'counter', labels)
    ;(metric as Pick<Counter, 'inc'>).inc(limited, by)
  }

  gauge(name: string, value: number, labels: Labels = {}): void {
    const { metric, limited } = this.#of(name, 'gauge', labels)
    ;(metric as Pick<Gauge, 'set'>).set(limited, value)
  }

  observe(name: string, value: number, labels: Labels = {}): void {
    const { metric, limited } = this.#of(name, 'histogram', labels)
    ;(metric as Pick<Histogram, 'observe'>).observe(limited, value)
  }

  /** @throws ERR_INVALID_ARGUMENT for a name or a label that is not in the table */
  #of(
    name: string,
    kind: MetricRow['kind'],
    labels: Labels,
  ): { readonly metric: Registered['metric']; readonly limited: Record<string, string> } {
    const found = this.#registered.get(name)
    if (found?.row.kind !== kind)
      throw new PkiError('ERR_INVALID_ARGUMENT', `${quoted(name)} is not a ${kind} of metricNames`)
    return { metric: found.metric, limited: found.labels.limit(labels) }
  }
}

/**
 * The name in Prometheus: counters end with `_total`; those of Istio have the names that Istio gives them.
 */
function prometheusName({ name, kind }: MetricRow): string {
  const isPlain = kind !== 'counter' || name.endsWith('_total') || /^(citadel|istio_agent)_/.test(name)
  return isPlain ? name : `${name}_total`
}

function registered(registry: Registry, row: MetricRow): Registered['metric'] | undefined {
  const metric: unknown = registry.getSingleMetric(prometheusName(row))
  if (metric === undefined) return undefined
  const { labelNames = [] } = metric as { readonly labelNames?: readonly string[] }
  if (labelNames.length === row.labels.length && row.labels.every((label) => labelNames.includes(label)))
    return metric as Registered['metric']
  throw new PkiError(
    'ERR_INVALID_ARGUMENT',
    `createPrometheusMetrics: the registry has a metric ${prometheusName(row)} with the labels ` +
      `${labelNames.join(', ') || 'none'}; expected ${row.labels.join(', ') || 'none'}`,
  )
}

function register(client: PromClient, registry: Registry, row: MetricRow): Registered['metric'] {
  const fields = {
    name: prometheusName(row),
    help: row.help,
    labelNames: [...row.labels],
    registers: [registry],
  }
  if (row.kind === 'counter') return new client.Counter(fields)
  if (row.kind === 'gauge') return new client.Gauge(fields)
  return new client.Histogram({ ...fields, buckets: [...(row.buckets ?? [])] })
}

function quoted(value: unknown): string {
  return JSON.stringify(String(value).slice(0, 64))
}
