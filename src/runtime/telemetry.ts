// What this package tells its host: log lines and measurements.

/** Writes one structured line: the shape is pino's, so that pino fits as it is. Fields never hold secrets. */
export interface Logger {
  /** For whoever looks for a fault: every refusal of a peer, every retry. */
  debug(fields: Readonly<Record<string, unknown>>, message: string): void
  /** What happened and is well. */
  info(fields: Readonly<Record<string, unknown>>, message: string): void
  /** What was refused or went wrong and was dealt with. */
  warn(fields: Readonly<Record<string, unknown>>, message: string): void
  /** What needs somebody. */
  error(fields: Readonly<Record<string, unknown>>, message: string): void
}

/** Label names to values; both are from closed sets, never text from outside. */
export type MetricLabels = Readonly<Record<string, string>>

/** Counts, gauges and observations by name: few verbs, which an adapter maps to a real registry. */
export interface Metrics {
  /** Adds to a counter; 1 if nothing is said. */
  count(name: string, labels?: MetricLabels, by?: number): void
  /** Sets a value that goes up and down. */
  gauge(name: string, value: number, labels?: MetricLabels): void
  /** `value` in the unit that the name ends with (`_seconds`, `_bytes`). */
  observe(name: string, value: number, labels?: MetricLabels): void
}

const ignore = (): void => undefined

/** Writes nothing: the default everywhere. */
export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore }

/** Measures nothing: the default everywhere. */
export const noMetrics: Metrics = { count: ignore, gauge: ignore, observe: ignore }
