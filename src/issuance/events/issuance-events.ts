// Reports the events of issuance to the log and to metrics.

import { metricNames } from '../../runtime/index.ts'
import { noMetrics, safeLogger, safeMetrics, silentLogger } from '../../runtime/internal.ts'
import type { Clock, Logger, Metrics } from '../../runtime/index.ts'
import { istio } from '../../spiffe/index.ts'
import type { SpiffeId } from '../../spiffe/index.ts'
import { PolicyRefusal } from '../decision.ts'
import { codeOf, logEvent } from './event-lines.ts'
import type { IssuanceEvent } from './issuance-event.ts'

/** Reports events. An exception in a logger or a metrics sink has no effect. */
export class IssuanceEvents {
  readonly #logger: Logger
  readonly #metrics: Metrics
  readonly #trustDomain: string
  #inProgress = 0

  /** @throws ERR_INVALID_ARGUMENT for a logger or a sink that lacks a method */
  constructor(owner: string, logger: Logger | undefined, metrics: Metrics | undefined, trustDomain = '') {
    this.#trustDomain = trustDomain
    this.#logger = safeLogger(owner, logger)
    this.#metrics = safeMetrics(owner, metrics)
  }

  tell(event: IssuanceEvent): void {
    if (this.#metrics !== noMetrics) this.#count(event)
    if (this.#logger !== silentLogger) logEvent(this.#logger, event)
  }

  /** Performs a request, and records how many are in progress and how long each took. */
  measure<T>(name: RequestSeconds, clock: Pick<Clock, 'monotonic'>, perform: () => Promise<T>): Promise<T> {
    return this.#metrics === noMetrics ? perform() : this.#measured(name, clock, perform)
  }

  async #measured<T>(
    name: RequestSeconds,
    clock: Pick<Clock, 'monotonic'>,
    perform: () => Promise<T>,
  ): Promise<T> {
    const startMs = clock.monotonic()
    this.#metrics.gauge(metricNames.issuanceQueue, ++this.#inProgress)
    try {
      return await perform()
    } finally {
      this.#metrics.gauge(metricNames.issuanceQueue, --this.#inProgress)
      this.#metrics.observe(name, (clock.monotonic() - startMs) / 1000)
    }
  }

  #count(event: IssuanceEvent): void {
    if (event.kind === 'issued')
      this.#metrics.count(metricNames.certificatesIssued, identityLabels(event.identity))
    else if (event.kind === 'revoked')
      this.#metrics.count(metricNames.certificatesRevoked, { reason: event.reason })
    else if (event.kind === 'refused') {
      const { error } = event
      if (error instanceof PolicyRefusal)
        this.#metrics.count(metricNames.certificatesRefused, { rule: error.policyRule })
      this.#metrics.count(metricNames.certificatesFailed, { code: codeOf(error) })
      if (event.action === 'issue' || event.action === 'renew')
        this.#metrics.count(metricNames.csrErrors, {
          error_type: codeOf(error),
          trust_domain: this.#trustDomain,
        })
    }
  }
}

/** The metrics of the time of one request. */
type RequestSeconds = typeof metricNames.csrProcessingSeconds | typeof metricNames.rotationSeconds

/**
 * Labels of an identity. If it does not have Istio's form, only its trust domain is used, because its path
 * may have unlimited values.
 */
function identityLabels(identity: SpiffeId): Readonly<Record<string, string>> {
  const { namespace = '', serviceAccount = '' } = istio.tryParse(identity) ?? {}
  return { trust_domain: identity.trustDomain.name, namespace, service_account: serviceAccount }
}
