// The contracts of clocks, loggers and metrics.

import type { Clock, Logger, Metrics } from '../../runtime/index.ts'
import { holds, same } from './contract-case.ts'
import type { ContractCase } from './contract-case.ts'

/** The tested implementation. @inline */
export interface ClockContractOptions {
  /** Creates the clock. */
  readonly open: () => Clock
  /** Advances the clock by this many milliseconds. Default: waits that long by the platform's timers. */
  readonly advance?: ((clock: Clock, ms: number) => void | Promise<void>) | undefined
}

/** The cases of `Clock`. */
export function clockContract({ open, advance = wait }: ClockContractOptions): readonly ContractCase[] {
  return [
    {
      name: 'returns the time in milliseconds, and its monotonic time never goes back',
      run: async () => {
        const clock = open()
        const [wall, monotonic] = [clock.now(), clock.monotonic()]
        holds(Number.isFinite(wall) && Number.isFinite(monotonic), 'a time is not a finite number')
        await advance(clock, 20)
        // Timers of the platform may be early by a millisecond.
        holds(clock.monotonic() - monotonic >= 18, 'monotonic did not advance')
      },
    },
    {
      name: 'calls back once, not before the delay, and not at once',
      run: async () => {
        const clock = open()
        let calls = 0
        clock.schedule(() => void calls++, 30, { keepAlive: true })
        same(calls, 0, 'calls before schedule returned')
        await advance(clock, 5)
        same(calls, 0, 'calls after 5 ms of 30')
        await advance(clock, 60)
        await advance(clock, 60)
        same(calls, 1, 'calls after the delay')
      },
    },
    {
      name: 'does not call a cancelled callback',
      run: async () => {
        const clock = open()
        let calls = 0
        const cancel = clock.schedule(() => void calls++, 10)
        cancel()
        cancel()
        await advance(clock, 40)
        same(calls, 0, 'calls of a cancelled timer')
      },
    },
    {
      name: 'keeps a delay above 2^31 milliseconds',
      run: async () => {
        const clock = open()
        let calls = 0
        const cancel = clock.schedule(() => void calls++, 2 ** 31 + 1000)
        await advance(clock, 20)
        cancel()
        same(calls, 0, 'calls after 20 ms')
      },
    },
  ]
}

/** The tested implementation. @inline */
export interface LoggerContractOptions {
  /** Creates the logger, and a function that reads the lines that it wrote. */
  readonly open: () => { readonly logger: Logger; readonly lines: () => readonly string[] }
}

/** The cases of `Logger`. */
export function loggerContract({ open }: LoggerContractOptions): readonly ContractCase[] {
  return [
    ...(['debug', 'info', 'warn', 'error'] as const).map((level) => ({
      name: `writes a line at ${level}, with its fields`,
      run: async () => {
        const { logger, lines } = open()
        logger[level]({ serialNumber: '0A1B' }, `contract ${level}`)
        const line = lines().find((text) => text.includes(`contract ${level}`))
        if (line === undefined) throw new Error('the message was not written')
        holds(line.includes('0A1B'), 'the field was not written')
      },
    })),
    {
      name: 'accepts an error, and no field',
      run: async () => {
        const { logger, lines } = open()
        logger.error({ error: new Error('contract') }, 'with an error')
        logger.error({}, 'without a field')
        holds(
          lines().some((text) => text.includes('without a field')),
          'the message was not written',
        )
      },
    },
  ]
}

/** The tested implementation. @inline */
export interface MetricsContractOptions {
  /** Creates the metrics, and a function that reads one of its counters or gauges. */
  readonly open: () => {
    readonly metrics: Metrics
    readonly value: (name: string, labels: Readonly<Record<string, string>>) => unknown
  }
}

/** The cases of `Metrics`; the names and labels are those of `metricNames`. */
export function metricsContract({ open }: MetricsContractOptions): readonly ContractCase[] {
  const labels = { reason: 'keyCompromise' }
  return [
    {
      name: 'counts by one, or by the given number',
      run: async () => {
        const { metrics, value } = open()
        metrics.count('certificates_revoked', labels)
        metrics.count('certificates_revoked', labels, 4)
        same(await value('certificates_revoked', labels), 5, 'the counter')
      },
    },
    {
      name: 'counts each set of labels separately',
      run: async () => {
        const { metrics, value } = open()
        metrics.count('certificates_revoked', labels)
        metrics.count('certificates_revoked', { reason: 'superseded' }, 2)
        same(await value('certificates_revoked', labels), 1, 'the counter of the first labels')
      },
    },
    {
      name: 'sets a gauge to the last value',
      run: async () => {
        const { metrics, value } = open()
        metrics.gauge('ca_health_problems', 9, { part: 'crl' })
        metrics.gauge('ca_health_problems', 3, { part: 'crl' })
        same(await value('ca_health_problems', { part: 'crl' }), 3, 'the gauge')
      },
    },
    {
      name: 'accepts observations',
      run: async () => {
        const { metrics } = open()
        for (const seconds of [0, 0.001, 60]) metrics.observe('csr_processing_duration_seconds', seconds)
      },
    },
  ]
}

function wait(_clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
