// The health of the certificates of a process: the time until they expire, their problems, and readiness.

import { isPkiError, PkiError } from '../errors/index.ts'
import { checkMeasures } from '../internal/numbers.ts'
import { readOptions } from '../internal/options.ts'
import type { OptionKinds } from '../internal/options.ts'
import { metricNames, systemClock } from '../runtime/index.ts'
import { safeLogger, safeMetrics } from '../runtime/internal.ts'
import type { Clock, Logger, Metrics } from '../runtime/index.ts'
import { X509SvidValidator } from '../svid/index.ts'
import type { X509Identity, X509Source } from './x509-source.ts'

/** A problem of one certificate. @inline */
interface CertificateAlert {
  readonly level: 'critical' | 'warning'
  /**
   * `certificate_error`: there is no valid SVID. `certificate_parse_error`: the last certificate that the
   * source obtained cannot be read or was refused. `root_certificate_error`: the SVID has no path to a root
   * of its bundle. `certificate_expiring`: the effective end is near.
   */
  readonly type:
    'certificate_error' | 'certificate_parse_error' | 'root_certificate_error' | 'certificate_expiring'
  /** The name of the source. */
  readonly name: string
  readonly message: string
}

/** The certificates at one moment. @inline */
interface CertificateHealth {
  /** Whether every source has an SVID that peers can verify. */
  readonly ready: boolean
  /** The reasons if not ready, one sentence each, as `readiness` of an HTTP handler expects. */
  readonly problems: readonly string[]
  readonly alerts: readonly CertificateAlert[]
  /**
   * By source, in seconds: until the first of leaf, chain and root expires; negative: since then; undefined
   * without an SVID.
   */
  readonly secondsLeft: Readonly<Record<string, number | undefined>>
}

/** Options of `createCertificateChecker`. @inline */
export interface CertificateCheckerOptions {
  /** By name, for messages and the label `resource_name`; `default` is the name in Istio. */
  readonly sources: Readonly<Record<string, X509Source>>
  /**
   * Below this many seconds to the effective end `certificate_expiring` is raised. Default 86,400, or a
   * quarter of the validity if that is less.
   */
  readonly warningSeconds?: number | undefined
  /** Time between checks, in seconds. Default 60. */
  readonly intervalSeconds?: number | undefined
  /** Called once when an alert begins. Its exceptions are logged. */
  readonly onAlert?: ((alert: CertificateAlert) => void) | undefined
  readonly clock?: Clock | undefined
  readonly logger?: Logger | undefined
  readonly metrics?: Metrics | undefined
}

/** Checks certificates at intervals. @inline */
export interface CertificateChecker extends AsyncDisposable {
  /** Checks now; raises and ends alerts, sets the gauges. */
  check(): CertificateHealth
}

const optionKinds: OptionKinds<CertificateCheckerOptions> = {
  sources: 'required',
  warningSeconds: 'optional',
  intervalSeconds: 'optional',
  onAlert: 'optional',
  clock: 'optional',
  logger: 'optional',
  metrics: 'optional',
}

/**
 * Checks the certificates of sources until it is disposed of, and reports problems before they cause an
 * outage.
 *
 * @throws ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * await using checker = createCertificateChecker({ sources: { default: source } })
 * const { ready, problems } = checker.check()
 * ```
 */
export function createCertificateChecker(options: CertificateCheckerOptions): CertificateChecker {
  const read = readOptions('createCertificateChecker', options, optionKinds)
  const { warningSeconds, intervalSeconds = 60, clock = systemClock } = read
  checkMeasures({ warningSeconds }, 0)
  checkMeasures({ intervalSeconds }, 1)
  const sources = Object.entries(Object(read.sources) as Readonly<Record<string, X509Source>>)
  if (sources.length === 0 || !sources.every(([, source]) => isSource(source)))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'createCertificateChecker: sources must be an object with at least one X509Source',
    )
  const logger = safeLogger('createCertificateChecker', read.logger)
  const metrics = safeMetrics('createCertificateChecker', read.metrics)
  let raised = new Map<string, CertificateAlert>()
  const tell = (alerts: readonly CertificateAlert[]): void => {
    const now = new Map(alerts.map((alert) => [`${alert.name} ${alert.type}`, alert]))
    for (const [key, { name, type }] of raised)
      if (!now.has(key)) logger.info({ name, type }, 'certificate alert ended')
    for (const [key, alert] of now) {
      if (raised.has(key)) continue
      const { level, ...fields } = alert
      logger[level === 'critical' ? 'error' : 'warn'](fields, 'certificate alert')
      metrics.count(metricNames.certificateAlerts, { type: alert.type, level })
      attempt(() => read.onAlert?.(alert), logger)
    }
    raised = now
  }
  const check = (): CertificateHealth => {
    const nowMs = clock.now()
    const found = sources.map(([name, source]) => examine(name, source, nowMs, warningSeconds))
    for (const { name, secondsLeft, leafSecondsLeft } of found) {
      if (secondsLeft === undefined || leafSecondsLeft === undefined) continue
      metrics.gauge(metricNames.certificateEffectiveEnd, secondsLeft, { resource_name: name })
      metrics.gauge(metricNames.agentCertificateExpiry, leafSecondsLeft, { resource_name: name })
    }
    const alerts = found.flatMap((one) => one.alerts)
    tell(alerts)
    const unusable = found.filter(({ isUsable }) => !isUsable)
    const problems = unusable.flatMap((one) =>
      one.alerts.filter(({ level }) => level === 'critical').map(({ message }) => message),
    )
    const secondsLeft = Object.fromEntries(found.map((one) => [one.name, one.secondsLeft]))
    return Object.freeze({ ready: unusable.length === 0, problems, alerts, secondsLeft })
  }
  let cancel = (): void => undefined
  const repeat = (): void => {
    cancel = clock.schedule(() => {
      attempt(check, logger)
      repeat()
    }, intervalSeconds * 1000)
  }
  repeat()
  return Object.freeze({
    check,
    [Symbol.asyncDispose]: async () => {
      cancel()
    },
  })
}

interface Examined {
  readonly name: string
  readonly alerts: readonly CertificateAlert[]
  readonly isUsable: boolean
  readonly secondsLeft: number | undefined
  readonly leafSecondsLeft?: number | undefined
}

function examine(
  name: string,
  source: X509Source,
  nowMs: number,
  warningSeconds: number | undefined,
): Examined {
  const alerts: CertificateAlert[] = []
  const raise = (level: CertificateAlert['level'], type: CertificateAlert['type'], text: string): void => {
    alerts.push(Object.freeze({ level, type, name, message: `${name}: ${text}` }))
  }
  const { lastError } = source.status
  if (lastError !== undefined && isRefusal(lastError))
    raise('critical', 'certificate_parse_error', `the certificate obtained is refused: ${lastError.message}`)
  let identity: X509Identity
  try {
    identity = source.current
  } catch (error) {
    raise('critical', 'certificate_error', error instanceof Error ? error.message : String(error))
    return { name, alerts, isUsable: false, secondsLeft: undefined }
  }
  const { svid, bundle } = identity
  const trusted = source.bundleFor(bundle.trustDomain) ?? bundle
  const verdict = new X509SvidValidator({ bundles: trusted }).verify(svid.certificates, {
    id: svid.id,
    time: new Date(nowMs),
  })
  if (!verdict.ok) {
    const why = verdict.rejected[0]?.message ?? 'no path to a root'
    raise('critical', 'root_certificate_error', `peers cannot verify ${svid.id.toString()}: ${why}`)
  }
  // Without a verified path, the certificates of the chain itself are used, because they also expire.
  const path = verdict.ok ? verdict.path.certificates : svid.certificates
  const first = path.reduce((found, one) => (one.notAfterMs < found.notAfterMs ? one : found))
  const secondsLeft = Math.floor((first.notAfterMs - nowMs) / 1000)
  const validitySeconds = (first.notAfterMs - first.notBeforeMs) / 1000
  if (secondsLeft < (warningSeconds ?? Math.min(86_400, validitySeconds / 4))) {
    const what = first === svid.leaf ? 'the certificate' : `its issuer ${first.subject.toString()}`
    const renewal = lastError === undefined ? '' : `; renewal fails: ${lastError.message}`
    raise('warning', 'certificate_expiring', `${what} expires in ${secondsLeft} s${renewal}`)
  }
  const leafSecondsLeft = Math.floor((svid.leaf.notAfterMs - nowMs) / 1000)
  return { name, alerts, isUsable: verdict.ok, secondsLeft, leafSecondsLeft }
}

/** Whether the CA has answered with an invalid certificate; an unreachable CA does not count. */
function isRefusal(error: Error): boolean {
  if (!isPkiError(error)) return false
  const { code } = error
  if (code === 'ERR_CA_REPLY' || code === 'ERR_SECRET_FILES' || code === 'ERR_PEM') return true
  return code === 'ERR_WORKLOAD_API' || code === 'ERR_CERTIFICATE_MALFORMED'
}

function isSource(value: unknown): value is X509Source {
  const { onChange, bundleFor } = Object(value) as Partial<X509Source>
  return typeof onChange === 'function' && typeof bundleFor === 'function'
}

function attempt(act: () => unknown, logger: Logger): void {
  try {
    act()
  } catch (error) {
    logger.error({ reason: String(error) }, 'a check of certificates, or its listener, failed')
  }
}
