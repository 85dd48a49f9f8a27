/**
 * What this package asks of its host: time, logs, metrics.
 *
 * @module spiffe-pki/runtime
 */
export { systemClock } from './clock.ts'
export type { Clock } from './clock.ts'
export { silentLogger, noMetrics } from './telemetry.ts'
export type { Logger, MetricLabels, Metrics } from './telemetry.ts'
