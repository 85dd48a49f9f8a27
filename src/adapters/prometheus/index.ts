/**
 * The metrics of this package in a registry of `prom-client`.
 *
 * @module spiffe-pki/prometheus
 */
export { createPrometheusMetrics } from './prometheus-metrics.ts'
