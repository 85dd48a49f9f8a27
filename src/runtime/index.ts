/**
 * Interfaces to the host: time, logs, metrics, remote documents.
 *
 * @module spiffe-pki/runtime
 */
export { systemClock } from './clock.ts'
export type { Clock } from './clock.ts'
export type { Logger } from './logger.ts'
export { metricNames } from './metric-names.ts'
export type { MetricName } from './metric-names.ts'
export { createGuardedFetcher } from './fetch/guarded-fetcher.ts'
export type { GuardedFetcher } from './fetch/guarded-fetcher.ts'
export type { Metrics } from './metrics.ts'
