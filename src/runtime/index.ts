/**
 * What this package asks of its host: time, logs, metrics.
 *
 * @module spiffe-pki/runtime
 */
export { systemClock } from './clock.ts'
export type { Clock } from './clock.ts'
export { silentLogger } from './logger.ts'
export type { Logger } from './logger.ts'
export { noMetrics } from './metrics.ts'
export type { MetricLabels, Metrics } from './metrics.ts'
