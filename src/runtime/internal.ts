// The second entry point of runtime, for the layers above only: not part of the package's public API.
export { createRemoteDocument, checkLifetimes, withoutQuery } from './fetch/remote-document.ts'
export type { DocumentLifetimes } from './fetch/remote-document.ts'
export { RefreshedValue } from './fetch/refreshed-value.ts'
export { safeLogger, silentLogger } from './logger.ts'
export { noMetrics, safeMetrics } from './metrics.ts'
export type { GuardedRequest, GuardedResponse } from './fetch/guarded-fetcher.ts'
export { metricRows } from './metric-names.ts'
export type { MetricRow } from './metric-names.ts'
