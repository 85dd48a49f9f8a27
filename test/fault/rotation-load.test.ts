// Root rotations under load: holders renew, fetch the bundle and shake hands throughout, and neither our
// validator nor openssl refuses one.

import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import type { TrustBundle } from '../../src/svid/index.ts'
import { issueLeaf, refusalOf, rotationTimes, testRotation } from '../support/rotation.ts'
import type { TestLeaf, TestRotation } from '../support/rotation.ts'
import { requires } from '../support/requires.ts'
import { temporaryFolders } from '../support/temporary.ts'

const run = promisify(execFile)
const newFolder = temporaryFolders('rotation-load-')
// The campaign is SPIFFE_PKI_ROTATIONS=100 SPIFFE_PKI_ROTATION_HANDSHAKES=1000.
const rotations = Number(process.env['SPIFFE_PKI_ROTATIONS'] ?? 2)
/** Of each rotation. */
const handshakes = Number(process.env['SPIFFE_PKI_ROTATION_HANDSHAKES'] ?? 300)

interface Holder {
  leaf: TestLeaf
  bundle: TrustBundle
  renewMs: number
  fetchMs: number
}

it.each([
  ['self-signed roots', {}],
  ['cross-signed roots', { crossSign: true }],
])(
  `%s: ${rotations} rotations, no handshake refused`,
  async (_what, options) => {
    const directory = newFolder()
    const test = await testRotation({ ...options, random: Math.random })
    const { rotating, clock } = test
    const holders: Holder[] = []
    for (let count = 0; count < 20; count++) holders.push(await newHolder(test))
    let [rotated, refused, shaken] = [0, 0, 0]
    const shakeHands = (): void => {
      const [client, server] = [pick(holders), pick(holders)]
      for (const [from, to] of [
        [client, server],
        [server, client],
      ] as const) {
        const skewMs = (Math.random() * 2 - 1) * 60_000
        if (refusalOf(from.leaf, to.bundle, clock.now() + skewMs) !== undefined) refused++
      }
      shaken++
    }
    // A successor signs about half of a life after the one before, or a little earlier.
    const perMinute = Math.ceil(handshakes / (rotationTimes.ttlSeconds / 2 / 60))
    while (rotated < rotations) {
      clock.advance(60_000)
      const changes = await rotating.run()
      rotated += changes.filter(({ step }) => step === 'activate').length
      for (const holder of holders) await tend(holder, test)
      for (let count = 0; count < perMinute; count++) shakeHands()
      // What an early successor has left out.
      while (shaken < rotated * handshakes) shakeHands()
      if (changes.length > 0 && requires('openssl'))
        for (let sample = 0; sample < 3; sample++)
          await opensslAccepts(directory, pick(holders).leaf, pick(holders).bundle, clock.now())
    }
    console.log(`rotations: ${rotated}; handshakes both ways: ${shaken}, refused: ${refused}`)
    expect(refused).toBe(0)
    expect(shaken).toBeGreaterThanOrEqual(rotations * handshakes)
  },
  7_200_000,
)

async function newHolder(test: TestRotation): Promise<Holder> {
  const holder = { bundle: test.rotating.authority.trustBundle(), renewMs: 0, fetchMs: 0 } as Holder
  await tend(holder, test)
  return holder
}

/** Renews at half of the leaf's life, give or take; fetches by the hint, and misses a fetch now and then. */
async function tend(holder: Holder, test: TestRotation): Promise<void> {
  const nowMs = test.clock.now()
  if (nowMs >= holder.renewMs) {
    holder.leaf = await issueLeaf(test)
    holder.renewMs = nowMs + rotationTimes.leafTtlSeconds * 1000 * (0.4 + Math.random() * 0.4)
  }
  if (nowMs < holder.fetchMs) return
  holder.bundle = test.rotating.authority.trustBundle()
  const missed = Math.random() < 0.2 ? 2 : 1
  holder.fetchMs = nowMs + rotationTimes.refreshHintSeconds * 1000 * missed
}

async function opensslAccepts(
  directory: string,
  leaf: TestLeaf,
  bundle: TrustBundle,
  nowMs: number,
): Promise<void> {
  const file = (name: string, certificates: readonly { toPem(): string }[]): string => {
    const path = join(directory, name)
    writeFileSync(path, certificates.map((one) => one.toPem()).join(''))
    return path
  }
  const given = ['verify', '-attime', String(Math.floor(nowMs / 1000)), '-x509_strict', '-partial_chain']
  given.push('-CAfile', file('bundle.pem', bundle.x509Authorities))
  if (leaf.chain.length > 0) given.push('-untrusted', file('chain.pem', leaf.chain))
  const { stdout } = await run('openssl', [...given, file('leaf.pem', [leaf.certificate])])
  expect(stdout).toContain(': OK')
}

function pick<T>(list: readonly T[]): T {
  return list[Math.floor(Math.random() * list.length)] as T
}
