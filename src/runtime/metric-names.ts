// Every metric of the package in one table, for code, adapters, alerts and dashboards.

import { authorityMetrics } from './metrics/authority-metrics.ts'
import { issuanceMetrics } from './metrics/issuance-metrics.ts'
import { workloadMetrics } from './metrics/workload-metrics.ts'

/** The definition of one metric. @inline */
export interface MetricRow {
  /** The name that `Metrics` receives. */
  readonly name: string
  /** `histogram` is what `observe` records. */
  readonly kind: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  /** The labels that it may have; their values are from closed sets unless stated otherwise. */
  readonly labels: readonly string[]
  /** The upper bounds of the buckets of a histogram. */
  readonly buckets?: readonly number[] | undefined
}

/** Every metric: name, kind, help, labels. Names that begin with `citadel_` are those of Istio's CA. */
const metricTable: typeof issuanceMetrics & typeof workloadMetrics & typeof authorityMetrics = {
  ...issuanceMetrics,
  ...workloadMetrics,
  ...authorityMetrics,
}

type Table = typeof metricTable
type Row = Table[keyof Table]

/** The rows of the table. */
export const metricRows: readonly MetricRow[] = Object.freeze(Object.values(metricTable))

/** The metric names that `Metrics` receives, by subject. */
export const metricNames: { readonly [Key in keyof Table]: Table[Key]['name'] } = Object.freeze(
  Object.fromEntries(Object.entries(metricTable).map(([key, { name }]) => [key, name])),
) as { readonly [Key in keyof Table]: Table[Key]['name'] }

/** The name of a metric of this package; with a kind, of that kind. */
export type MetricName<Kind extends Row['kind'] = Row['kind']> = Extract<Row, { readonly kind: Kind }>['name']
