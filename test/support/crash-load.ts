// The load of a CA that is killed: it does everything that a CA does, and writes down each answer after it
// was given.

import { randomUUID } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { isPkiError } from '../../src/errors/index.ts'
import type { CaService } from '../../src/service/index.ts'
import { X509SvidValidator } from '../../src/svid/index.ts'
import { CertificateRequest } from '../../src/x509/index.ts'
import type { Certificate, SerialNumber } from '../../src/x509/index.ts'
import { answerWriter, answeredList, crashCaller, digestOf } from './crash-fixture.ts'
import type { Answered } from './crash-fixture.ts'

/** What a load does beside issuing, renewing, revoking and blocking. */
export interface CrashLoadOptions {
  /** Whether it publishes lists, signs checkpoints and rotates: one of several processes. */
  readonly publishes?: boolean
  /** What a call comes to that the store did not answer. */
  readonly unavailable?: 'fails' | 'goes on'
}

interface Leaf {
  readonly certificate: Certificate
  readonly chain: readonly Certificate[]
}

/** Keeps a CA busy until the process is killed. */
export async function crashLoad(
  directory: string,
  service: CaService,
  { publishes = true, unavailable = 'fails' }: CrashLoadOptions = {},
): Promise<void> {
  const { authority, issuance, authorities, audit } = service
  const csr = CertificateRequest.fromPem(readFileSync(join(directory, 'csr.pem'), 'utf8'))
  const writeDown = answerWriter(directory)
  const answered = (answer: Answered): void => {
    writeDown(answer)
    process.stdout.write('.')
  }

  /** Undefined where the store did not answer, and may have written, or another process was first. */
  async function outcomeOf<Outcome>(outcome: Promise<Outcome>): Promise<Outcome | undefined> {
    try {
      return await outcome
    } catch (error) {
      if (unavailable === 'goes on' && isPkiError(error) && othersAnswers.has(error.code)) return undefined
      throw error
    }
  }

  function requireTrusted({ certificate, chain }: Leaf): void {
    const verdict = new X509SvidValidator({ bundles: authority.trustBundle() }).verify([
      certificate,
      ...chain,
    ])
    if (!verdict.ok) throw new Error(`I13: ${verdict.rejected[0]?.message ?? 'no path'}`)
  }

  /** A certificate, by `issue` or the renewal of one. */
  async function obtain(renewed?: SerialNumber): Promise<SerialNumber | undefined> {
    const key = randomUUID()
    answered({ kind: 'asked', key })
    const request = { csr, idempotencyKey: key }
    const issued = await outcomeOf(
      renewed === undefined
        ? issuance.issue(request, crashCaller)
        : issuance.renew(renewed, request, crashCaller),
    )
    if (issued === undefined) return undefined
    const { serialNumber, der } = issued.certificate
    answered({ kind: 'issued', key, serialNumber, digest: digestOf(der) })
    if (renewed === undefined && der[der.length - 1]! % 8 === 0) requireTrusted(issued)
    return serialNumber
  }

  async function revoke(serialNumber: SerialNumber, reason: 'superseded' | 'certificateHold'): Promise<void> {
    const revoking = issuance.revoke(serialNumber, reason, crashCaller)
    if ((await outcomeOf(revoking.then(() => true))) === true) answered({ kind: 'revoked', serialNumber })
  }

  async function release(serialNumber: SerialNumber): Promise<void> {
    answered({ kind: 'releasing', serialNumber })
    const releasing = issuance.release(serialNumber, crashCaller)
    if ((await outcomeOf(releasing.then(() => true))) === true) answered({ kind: 'released', serialNumber })
  }

  async function block(serialNumber: SerialNumber): Promise<void> {
    const status = await outcomeOf(issuance.status(serialNumber))
    if (status === undefined) return
    const { issuer } = status
    const subject = { certificate: { issuer, serialNumber } }
    const blocking = issuance.block(subject, 'blocked by a test', crashCaller)
    if ((await outcomeOf(blocking.then(() => true))) !== true) return
    answered({ kind: 'blocked', serialNumber })
    const renewal = issuance.renew(serialNumber, { csr }, crashCaller)
    const code = await renewal.then(
      () => 'a renewal',
      (error: unknown) => (isPkiError(error) ? error.code : String(error)),
    )
    if (code !== 'ERR_RENEWAL_BLOCKED' && !(unavailable === 'goes on' && othersAnswers.has(code)))
      throw new Error(`the renewal of the blocked ${serialNumber} came to ${code}`)
  }

  /** Each caller begins with another turn: a process that is killed soon has done something of everything. */
  async function serve(_caller: unknown, first: number): Promise<void> {
    for (let count = first; ; count++) {
      const serialNumber = await obtain()
      if (serialNumber === undefined) continue
      const turn = count % 32
      if (turn % 8 === 0) await revoke(serialNumber, 'superseded')
      else if (turn % 8 === 3) await obtain(serialNumber)
      else if (turn === 5) await revoke(serialNumber, 'certificateHold')
      else if (turn === 9) await block(serialNumber)
      else if (turn === 13) {
        await revoke(serialNumber, 'certificateHold')
        await release(serialNumber)
      }
    }
  }

  async function publish(): Promise<void> {
    const lists = ['', '+delta', '', '0', '0+delta', '', '1']
    for (let count = 0; ; count++) {
      const name = lists[count % lists.length] as string
      const [shard = ''] = name.split('+')
      const delta = name.includes('+')
      const list = await outcomeOf(authority.issueCrl({ fresh: true, delta, ...(shard && { shard }) }))
      if (list !== undefined) answered(answeredList(list, name))
      await pause(5)
    }
  }

  async function log(): Promise<void> {
    for (;;) {
      if ((await outcomeOf((audit as NonNullable<typeof audit>).integrate())) !== undefined)
        answered({ kind: 'checkpoint', text: audit?.checkpoint ?? '' })
      await pause(20)
    }
  }

  /** Of some runs, one rotation: of the issuing authority or of the root above it. */
  async function rotate(): Promise<void> {
    if (Math.random() < 0.4) return
    const rotating = Math.random() < 0.3 ? authorities.root : authorities.issuing
    const before = (await rotating.status()).authorities.find(({ state }) => state === 'active')
    await rotating.prepareNext()
    await rotating.publish()
    await rotating.activate({ share: 0.5, force: true })
    await rotating.activate({ force: true })
    const { authorities: held } = await rotating.status()
    answered({ kind: 'rotated', id: held.find(({ state }) => state === 'active')?.id ?? '' })
    if (before !== undefined && Math.random() < 0.5) await rotating.taint(before.id)
  }

  async function watch(): Promise<void> {
    for (;;) {
      const openFiles = readdirSync('/proc/self/fd').length
      const heapMiB = Math.ceil(process.memoryUsage().heapUsed / 2 ** 20)
      answered({ kind: 'process', openFiles, heapMiB })
      await pause(100)
    }
  }

  await Promise.all([
    ...Array.from({ length: 16 }, serve),
    watch(),
    ...(publishes ? [publish(), log(), outcomeOf(rotate())] : []),
  ])
}

/** What a call comes to on a store that is cut off, or that other processes write too. */
const othersAnswers: ReadonlySet<string> = new Set([
  'ERR_STORE_UNAVAILABLE',
  'ERR_STORE_CONFLICT',
  'ERR_LEASE_STALE',
])

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
