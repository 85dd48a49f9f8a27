// Two to four CA processes on one PostgreSQL whose leader is stopped, killed, disconnected, or loses its
// connections in the middle of a COMMIT.

import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import type { SerialNumber } from '../../src/x509/index.ts'
import { SeededRandom } from '../fuzz/random.ts'
import { bundled } from '../support/bundled.ts'
import { violationsOf } from '../support/check-invariants.ts'
import { crashAuthority } from '../support/crash-fixture.ts'
import { LeaderGroup, disturbances } from '../support/leader-group.ts'
import type { Deed } from '../support/leader-process.ts'
import { requires } from '../support/requires.ts'
import { temporaryFolders } from '../support/temporary.ts'

// The campaign is SPIFFE_PKI_TAKEOVERS=200 SPIFFE_PKI_STOP_SECONDS=120: stops of 5 to 120 s, several groups
// at once.
const takeovers = Number(process.env['SPIFFE_PKI_TAKEOVERS'] ?? 4)
const seed = Number(process.env['SPIFFE_PKI_SEED'] ?? Date.now() % 1_000_000)
/** The longest disturbance; 0 for one that ends once another process leads. */
const longestMs = Number(process.env['SPIFFE_PKI_STOP_SECONDS'] ?? 0) * 1000
const shortestMs = Math.min(5000, longestMs)
/** Of one group. */
const most = 20
const newFolder = temporaryFolders('leaders-')

describe.skipIf(!requires('postgres'))('leaders', () => {
  it(
    `number no list twice and lose no revocation over ${takeovers} forced takeovers`,
    async () => {
      console.log(`takeovers: seed ${seed}`)
      const program = fileURLToPath(bundled('test/support/leader-process.ts'))
      const groups = Math.ceil(takeovers / most)
      const count = (at: number): number => Math.floor((takeovers + at) / groups)
      const ended = await Promise.allSettled(
        Array.from({ length: groups }, (_, at) =>
          takeOverAndCheck(program, count(at), new SeededRandom(seed + at)),
        ),
      )
      expect(ended.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))).toEqual([])
    },
    120_000 + takeovers * 120_000,
  )
})

async function takeOverAndCheck(program: string, count: number, random: SeededRandom): Promise<void> {
  await using group = await LeaderGroup.start(program, newFolder(), 2 + random.integer(3))
  const counted: Record<string, number> = {}
  for (let turn = 0; turn < count; turn++) {
    const kind = random.pick(disturbances)
    counted[kind] = (counted[kind] ?? 0) + 1
    // Short ones are the most frequent.
    const share = random.integer(1000) / 1000
    await group.takeOver(kind, kind === 'kill' ? 0 : shortestMs * (longestMs / shortestMs || 1) ** share)
  }
  const last = await group.epoch()
  const deeds = await group.end()
  const of = <Kind extends Deed['kind']>(kind: Kind) =>
    deeds.filter((deed): deed is Extract<Deed, { kind: Kind }> => deed.kind === kind)
  console.log(
    `takeovers: ${group.size} processes, ${JSON.stringify(counted)}; last epoch ${last}; ` +
      `lists ${of('list').length}, revocations ${of('revoked').length}, ` +
      `stale writes refused ${of('stale').length}`,
  )
  expect(group.complaints).toEqual([])
  expect(last).toBeGreaterThan(count)
  expect(new Set(of('list').map(({ epoch }) => epoch)).size).toBeGreaterThan(count / 3)
  for (const kind of ['revoked', 'sequenced'] as const) expect(of(kind).length, kind).toBeGreaterThan(0)
  const { directory, storage } = group
  const authority = crashAuthority(directory, storage)
  const answers = of('revoked').map(({ kind, serialNumber }) => ({
    ...{ kind, serialNumber: serialNumber as SerialNumber },
  }))
  expect(await violationsOf({ storage, authority, answers, deeds, directory })).toEqual([])
}
