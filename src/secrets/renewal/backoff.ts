// The pause after a failed renewal.

import { randomInt } from 'node:crypto'

/** Backoff between attempts: from one second, doubled to at most 150 s, ± 20 %, as in ztunnel. */
export function backoffMs(failures: number): number {
  return Math.min(1000 * 2 ** Math.min(failures, 10), 150_000) * deviate(0.2)
}

/** A factor from 1 - share to 1 + share. */
export function deviate(share: number): number {
  return 1 + share * (randomInt(-1_000_000, 1_000_001) / 1_000_000)
}
