// Parts of a listener for tests: a socket without a network, a log and counters to look into, the limits.

import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { Connection, Source } from '../../src/adapters/grpc/server/connection.ts'
import { resolveLimits } from '../../src/adapters/grpc/server/index.ts'
import type { AdmissionLimits } from '../../src/adapters/grpc/server/index.ts'
import type { Logger, Metrics } from '../../src/runtime/index.ts'
import type { MetricLabels } from '../../src/runtime/metrics.ts'
import { FakeClock } from '../../src/testing/index.ts'

/** What a listener reads of a socket. */
export class FakeSocket extends EventEmitter {
  static #ports = 0
  remoteAddress: string | undefined
  remotePort: number = ++FakeSocket.#ports
  localAddress = '127.0.0.1'
  localPort = 15012
  destroyed = false
  bytesRead = 0
  bytesWritten = 0
  readableLength = 0

  constructor(remoteAddress: string | undefined = '192.0.2.1') {
    super()
    this.remoteAddress = remoteAddress
  }

  destroy(): this {
    if (this.destroyed) return this
    this.destroyed = true
    this.emit('close')
    return this
  }

  /** As the type that the code under test takes. */
  get socket(): Socket {
    return this as unknown as Socket
  }
}

/** A logger and a sink that keep what they are told. */
export class Told {
  readonly log: Record<string, unknown>[] = []
  readonly counted: (MetricLabels & { readonly metric: string })[] = []
  readonly logger: Logger
  readonly metrics: Metrics

  constructor() {
    const note =
      (level: string) =>
      (fields: Readonly<Record<string, unknown>>, message: string): void =>
        void this.log.push({ ...fields, level, message })
    this.logger = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') }
    this.metrics = {
      count: (metric, labels) => void this.counted.push({ ...labels, metric }),
      gauge: () => undefined,
      observe: () => undefined,
    }
  }

  /** How often a counter was counted. */
  metricsCounted(name: string): number {
    return this.counted.filter(({ metric }) => metric === name).length
  }

  /** Values of the label `reason`, in order. */
  get reasons(): readonly unknown[] {
    return this.counted.map(({ reason }) => reason)
  }
}

/** Limits and everything else that parts of a listener take. */
export function listenerParts(given: AdmissionLimits = {}): Told & {
  readonly limits: ReturnType<typeof resolveLimits>
  readonly clock: FakeClock
} {
  return Object.assign(new Told(), { limits: resolveLimits(given), clock: new FakeClock() })
}

/** A connection of a source that nothing else counts. */
export function newConnection(address = '192.0.2.1', source: Source = newSource(address)): Connection {
  return new Connection(new FakeSocket(address).socket, source)
}

/** A source. */
export function newSource(address = '192.0.2.1'): Source {
  return new Source(address, () => undefined)
}
