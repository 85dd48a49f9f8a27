// The storage and the signing of a CA, unchanged except for a metric with the duration of each call.

import { metricNames } from '../../runtime/index.ts'
import { noMetrics } from '../../runtime/internal.ts'
import type { Clock, MetricName, Metrics } from '../../runtime/index.ts'
import type { Signer } from '../../x509/index.ts'
import type { CertificateWorkers } from '../authority/certificate-workers.ts'
import type { CaStorage } from '../records/ca-storage.ts'

/** The metrics for durations. */
export interface CallMetrics {
  readonly metrics: Metrics
  readonly clock: Pick<Clock, 'monotonic'>
}

/**
 * Every call of `storage`, measured as `store_call_duration_seconds{call, result}`. Without metrics, and for
 * parts that the storage lacks, the given value is returned.
 */
export function measuredStorage(storage: CaStorage, to: CallMetrics): CaStorage {
  if (to.metrics === noMetrics) return storage
  const { blocks } = storage
  return Object.freeze<CaStorage>({
    certificates: measured('certificates', storage.certificates, certificateCalls(storage), to),
    authorities: measured('authorities', storage.authorities, ['list', 'update'], to),
    crls: measured('crls', storage.crls, crlCalls(storage), to),
    leases: measured('leases', storage.leases, ['acquire', 'release', 'now'], to),
    audit: measured('audit', storage.audit, ['append', 'sequence', 'read', 'size'], to),
    ...(blocks === undefined ? {} : { blocks: measured('blocks', blocks, ['add', 'remove', 'list'], to) }),
    [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose](),
  })
}

function certificateCalls({ certificates }: CaStorage): readonly (keyof CaStorage['certificates'])[] {
  return certificates.statusOf === undefined ? requiredCalls : [...requiredCalls, 'statusOf']
}

function crlCalls({ crls }: CaStorage): readonly (keyof CaStorage['crls'])[] {
  const calls = ['last', 'publish', 'list'] as const
  return crls.latestTime === undefined ? calls : [...calls, 'latestTime']
}

/** The signer and the workers of a CA, each signature measured as `signer_call_duration_seconds{result}`. */
export function measuredSigning<
  Material extends { readonly signer: Signer; readonly workers: CertificateWorkers | undefined },
>(material: Material, to: CallMetrics): Material {
  if (to.metrics === noMetrics) return material
  const { signer, workers } = material
  return {
    ...material,
    signer: {
      id: signer.id,
      publicKey: signer.publicKey,
      signatureAlgorithm: signer.signatureAlgorithm,
      sign: (...input: Parameters<Signer['sign']>) => timed(signerCall, {}, () => signer.sign(...input), to),
    },
    workers: workers && {
      publicKey: workers.publicKey,
      signatureAlgorithm: workers.signatureAlgorithm,
      prove: (...input: Parameters<CertificateWorkers['prove']>) => workers.prove(...input),
      sign: (...input: Parameters<CertificateWorkers['sign']>) =>
        timed(signerCall, {}, () => workers.sign(...input), to),
    },
  }
}

type Call = (...input: never[]) => unknown

/** The calls of one part of a storage, by name. */
function measured<Part extends object>(
  name: string,
  part: Part,
  calls: readonly (keyof Part & string)[],
  to: CallMetrics,
): Part {
  const all = calls.map((call) => {
    const labels = { call: `${name}.${call}` }
    return [
      call,
      (...input: never[]) => timed(storeCall, labels, () => (part[call] as Call).apply(part, input), to),
    ]
  })
  return Object.freeze(Object.fromEntries(all)) as Part
}

/** A result that is not a promise is returned unchanged, because a software key signs synchronously. */
function timed<Result>(
  name: MetricName<'histogram'>,
  labels: Readonly<Record<string, string>>,
  perform: () => Result,
  { metrics, clock }: CallMetrics,
): Result {
  const startMs = clock.monotonic()
  const observe = (result: 'ok' | 'failed'): void =>
    metrics.observe(name, (clock.monotonic() - startMs) / 1000, { ...labels, result })
  let answer: Result
  try {
    answer = perform()
  } catch (error) {
    observe('failed')
    throw error
  }
  if (!(answer instanceof Promise)) {
    observe('ok')
    return answer
  }
  return answer.then(
    (value: unknown) => {
      observe('ok')
      return value
    },
    (error: unknown) => {
      observe('failed')
      throw error
    },
  ) as Result
}

const requiredCalls = [
  'recordIntent',
  'recordOutcome',
  'find',
  'revoke',
  'release',
  'revocations',
  'query',
  'prune',
] as const
const storeCall = metricNames.storeCallSeconds
const signerCall = metricNames.signerCallSeconds
