// The periodic tasks of a CA: rotation of its authorities, CRLs, checkpoints of the audit log, health checks.

import type { AuditLog } from '../audit/index.ts'
import { isPkiError } from '../errors/index.ts'
import type { Clock } from '../runtime/index.ts'
import type { Crl } from '../x509/index.ts'
import type { ServiceAuthorities } from './ca-authorities.ts'
import type { CaHealthCheck } from './ca-health.ts'
import type { ReadCaServiceOptions } from './ca-service-options.ts'
import type { Leadership } from './leadership.ts'

/** The tasks of the leader. */
export interface LeaderTasks {
  readonly integrate: () => Promise<unknown>
  /** Issues the lists; undefined if another process is the leader. */
  readonly issueCrls: () => Promise<readonly Crl[] | undefined>
}

/** Wraps the tasks so that only the leader performs them; without a lease there is only one process. */
export function leaderTasks(
  { authority }: ServiceAuthorities,
  log: AuditLog | undefined,
  leadership: Leadership | undefined,
): LeaderTasks {
  if (leadership === undefined)
    return { integrate: async () => log?.integrate(), issueCrls: () => authority.issueCrls() }
  return {
    integrate: () => leadership.lead(async (fence) => log?.integrate(fence)),
    // Each list is written with the epoch of the lease: see `numberedByLeader`.
    issueCrls: () => leadership.lead(() => authority.issueCrls()),
  }
}

/** Starts the periodic tasks of a CA. Returns a function that stops them. */
export function maintain(
  { clock, logger, metrics, crlTtlSeconds, crlDistribution, rotation, storage }: ReadCaServiceOptions,
  authorities: ServiceAuthorities,
  integrate: (() => Promise<unknown>) | undefined,
  issueCrls: () => Promise<unknown>,
  check: CaHealthCheck,
): () => Promise<void> {
  // A list is signed at two thirds of its validity: six checks in that time allow several attempts. If other
  // processes revoke too and wait for the list, the leader checks every second.
  const lifeSeconds = Math.min(crlTtlSeconds, crlDistribution?.deltaTtlSeconds ?? Infinity)
  const lookSeconds = storage === undefined ? Math.min(3600, Math.max(1, lifeSeconds / 6)) : 1
  const repeat = (what: string, seconds: number, perform: () => Promise<unknown>): (() => Promise<void>) =>
    repeated(clock, seconds * 1000, perform, (error) =>
      logger.error(
        { code: codeOf(error), message: String(error) },
        `the CA could not ${what}; it is tried again`,
      ),
    )
  const stops = [
    ...(rotation?.automatic === false
      ? []
      : [repeat('rotate its authorities', rotation?.pollIntervalSeconds ?? 60, () => authorities.renew())]),
    repeat('issue CRLs', lookSeconds, issueCrls),
    ...(integrate === undefined ? [] : [repeat('sign an audit checkpoint', 1, integrate)]),
    // The check sets the metrics.
    ...(metrics === undefined ? [] : [repeat('check its health', 15, () => check.health())]),
  ]
  return async () => {
    await Promise.all(stops.map((stop) => stop()))
    await integrate?.().catch(() => undefined)
  }
}

/** Records the result of each attempt for the health of its part. */
export function notedTasks(tasks: LeaderTasks, check: CaHealthCheck): LeaderTasks {
  const noted = async <T>(part: 'crl' | 'audit', perform: () => Promise<T>): Promise<T> => {
    try {
      const result = await perform()
      check.attempted(part)
      return result
    } catch (error) {
      check.attempted(part, error)
      throw error
    }
  }
  return {
    integrate: () => noted('audit', tasks.integrate),
    issueCrls: () =>
      noted('crl', async () => {
        const lists = await tasks.issueCrls()
        if (lists !== undefined) check.issued(lists)
        return lists
      }),
  }
}

/** Repeats a task, each time `intervalMs` after the last time has ended. */
function repeated(
  clock: Clock,
  intervalMs: number,
  perform: () => Promise<unknown>,
  failed: (error: unknown) => void,
): () => Promise<void> {
  let isStopped = false
  let running: Promise<unknown> = Promise.resolve()
  let cancel = (): void => undefined
  const schedule = (): void => {
    if (isStopped) return
    cancel = clock.schedule(() => {
      running = perform().catch(failed).then(schedule)
    }, intervalMs)
  }
  schedule()
  return async () => {
    isStopped = true
    cancel()
    await running
  }
}

function codeOf(error: unknown): string {
  return isPkiError(error) ? error.code : 'ERR_INTERNAL'
}
