// The few verbs that this package measures with; an adapter maps them to a real registry.

/** Label names to values; both are from closed sets, never text from outside. */
export type MetricLabels = Readonly<Record<string, string>>

/** Counts, gauges and observations by name. */
export interface Metrics {
  count(name: string, labels?: MetricLabels, by?: number): void
  gauge(name: string, value: number, labels?: MetricLabels): void
  /** `value` in the unit that the name ends with (`_seconds`, `_bytes`). */
  observe(name: string, value: number, labels?: MetricLabels): void
}

const ignore = (): void => undefined

/** Measures nothing: the default everywhere. */
export const noMetrics: Metrics = { count: ignore, gauge: ignore, observe: ignore }
