// The Metrics contract, the default that records nothing, and the wrapper that ignores a failing registry.

import { attempt, requireMethods } from './logger.ts'
import type { MetricName } from './metric-names.ts'

/**
 * Label names and values. The sink must limit values that come from peers: some labels contain identities.
 */
export type MetricLabels = Readonly<Record<string, string>>

/** Counters, gauges and observations by name (`metricNames`); an adapter maps them to a registry. */
export interface Metrics {
  /** Adds `by` to a counter; the default is 1. */
  count(name: MetricName<'counter'>, labels?: MetricLabels, by?: number): void
  /** Sets a gauge, which can rise and fall. */
  gauge(name: MetricName<'gauge'>, value: number, labels?: MetricLabels): void
  /** Records one value, in the unit that the name ends with (`_seconds`, `_bytes`). */
  observe(name: MetricName<'histogram'>, value: number, labels?: MetricLabels): void
}

const ignore = (): void => undefined

/** Metrics that record nothing; the default. */
export const noMetrics: Metrics = Object.freeze({ count: ignore, gauge: ignore, observe: ignore })

/**
 * Wraps metrics so that calls that throw or reject are ignored (a registry throws for unknown labels).
 * `noMetrics` if none is given. `owner` is the public function or class that error messages name.
 *
 * @throws ERR_INVALID_ARGUMENT a method of `Metrics` is missing
 */
export function safeMetrics(owner: string, metrics: Metrics | undefined): Metrics {
  if (metrics === undefined || metrics === noMetrics) return noMetrics
  if (metrics instanceof SafeMetrics) return metrics
  requireMethods(owner, 'metrics', metrics, ['count', 'gauge', 'observe'])
  return new SafeMetrics(metrics)
}

class SafeMetrics implements Metrics {
  readonly #metrics: Metrics

  constructor(metrics: Metrics) {
    this.#metrics = metrics
  }

  count(...counted: Parameters<Metrics['count']>): void {
    attempt(() => this.#metrics.count(...counted))
  }

  gauge(...set: Parameters<Metrics['gauge']>): void {
    attempt(() => this.#metrics.gauge(...set))
  }

  observe(...observed: Parameters<Metrics['observe']>): void {
    attempt(() => this.#metrics.observe(...observed))
  }
}
