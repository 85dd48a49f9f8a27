// I8 and I14: the audit log, what it says of each certificate, and each step of an authority.

import { createTileDirectory } from '../../../src/adapters/files/index.ts'
import { decodeAuditRecord, verifyAuditLog } from '../../../src/audit/index.ts'
import type { AuditRecord } from '../../../src/audit/index.ts'
import type { CertificateRecord } from '../../../src/ca/index.ts'
import type { AuthorityState } from '../../../src/ca/records/authority-store.ts'
import { digestOf } from '../crash-fixture.ts'
import type { CheckMemory, Holds, LeftBehind } from './left-behind.ts'

type Audit = NonNullable<LeftBehind['audit']>

/** Has the log take what is durable, and verifies all of it. */
export async function checkAudit(
  left: LeftBehind & { readonly audit: Audit },
  memory: CheckMemory,
  holds: Holds,
): Promise<void> {
  const { log, directory } = left.audit
  // A run that is in progress has begun before the last entries.
  await log.integrate()
  await log.integrate()
  const records = await allOf(left)
  const report = await verifyAuditLog({
    tiles: createTileDirectory(directory),
    key: log.key,
    entries: left.storage.audit,
    certificates: issuedOf(records),
    ...lastCheckpoint(left),
  })
  for (const { kind, message } of report.findings) holds(false, `I8: ${kind}: ${message}`)
  const { pending } = await left.storage.audit.size()
  holds(pending === 0, `I8: ${pending} entries are not in the log`)
  await readEntries(left, memory, holds)
  for (const record of records) checkRecord(record, memory, holds)
  for (const { id, state } of await left.storage.authorities.list()) {
    const said = memory.steps.get(id)
    holds(said === undefined || said === state, `I14: ${id} is ${state}, and the log says ${String(said)}`)
  }
}

/** The log must have grown from the last one that was handed out. */
function lastCheckpoint({ answers }: LeftBehind): { readonly seen?: string } {
  const last = answers.findLast((answer) => answer.kind === 'checkpoint')
  return last === undefined ? {} : { seen: last.text }
}

/** What is new in the log. */
async function readEntries({ storage }: LeftBehind, memory: CheckMemory, holds: Holds): Promise<void> {
  for (;;) {
    const batch = await storage.audit.read(memory.entries, 1024)
    if (batch.length === 0) return
    for (const { entry } of batch) readEntry(decodeAuditRecord(entry), memory, holds)
    memory.entries += batch.length
  }
}

function readEntry(entry: AuditRecord, memory: CheckMemory, holds: Holds): void {
  const { event, serialNumber = '', certificateSha256 = '' } = entry
  if (event === 'issued' || event === 'renewed') {
    holds(!memory.issuedEntries.has(serialNumber), `I8: ${serialNumber} has two outcomes in the log`)
    memory.issuedEntries.set(serialNumber, certificateSha256)
  }
  if (event === 'revoked') memory.revokedEntries.add(serialNumber)
  if (event === 'released') memory.revokedEntries.delete(serialNumber)
  if (event === 'authority') readStep(entry, memory.steps, holds)
}

function readStep({ details }: AuditRecord, steps: Map<string, AuthorityState>, holds: Holds): void {
  for (const { id, from, to } of (details?.['changes'] ?? []) as unknown as readonly Change[]) {
    const last = steps.get(id)
    holds(last === (from ?? undefined), `I14: ${id} was ${String(last)}, and a step found ${String(from)}`)
    const isAllowed = last === to || nextStates[last ?? 'new'].includes(to)
    holds(isAllowed, `I14: ${id} went from ${String(last)} to ${to}`)
    steps.set(id, to)
  }
}

function checkRecord(record: CertificateRecord, memory: CheckMemory, holds: Holds): void {
  const { serialNumber, certificate, revocation, state } = record
  const entry = memory.issuedEntries.get(serialNumber)
  if (state === 'issued' && certificate !== undefined) {
    const whole = `entry ${serialNumber} ${String(entry)}`
    if (!memory.sound.has(whole)) {
      const isSame = entry === digestOf(certificate)
      holds(isSame, `I8: the log has another certificate ${serialNumber}, or none`)
      if (isSame) memory.sound.add(whole)
    }
  } else holds(entry === undefined, `I8: ${serialNumber} is ${state}, and the log has its certificate`)
  const isRevoked = memory.revokedEntries.has(serialNumber)
  holds(
    isRevoked === (revocation !== undefined),
    `I8: of the revocation of ${serialNumber} log and store differ`,
  )
}

/** The states since the last check: on the edges that are allowed, where no log tells of them. */
export async function checkStates(left: LeftBehind, memory: CheckMemory, holds: Holds): Promise<void> {
  const authorities = await left.storage.authorities.list()
  const states = new Map(authorities.map(({ id, state }) => [id, state]))
  for (const [id, before] of memory.states) {
    const now = states.get(id)
    holds(now !== undefined && reachable(before).has(now), `I14: ${id} went from ${before} to ${String(now)}`)
  }
  memory.states = states
  for (const { id } of left.answers.filter((answer) => answer.kind === 'rotated')) {
    const state = states.get(id)
    const isTaken = state !== undefined && state !== 'prepared' && state !== 'published'
    holds(isTaken, `I14: ${id} was active, and is ${String(state)}`)
  }
  const names = new Set(authorities.map(({ keyId }) => keyId))
  for (const name of names) {
    const active = authorities.filter(({ keyId, state }) => keyId === name && state === 'active')
    holds(active.length === 1, `I14: ${active.length} authorities ${name} are active`)
  }
}

function reachable(from: AuthorityState): ReadonlySet<AuthorityState> {
  const found = new Set([from])
  for (const state of found) for (const next of nextStates[state]) found.add(next)
  return found
}

interface Change {
  readonly id: string
  readonly from?: AuthorityState | null
  readonly to: AuthorityState
}

/** Written here once more, from the documentation: docs/guides/rotation.md. */
const nextStates: Readonly<Record<AuthorityState | 'new', readonly AuthorityState[]>> = {
  new: ['prepared'],
  prepared: ['published', 'revoked'],
  published: ['active', 'revoked'],
  active: ['tainted', 'retired'],
  tainted: ['retired', 'revoked'],
  retired: ['tainted', 'revoked'],
  revoked: [],
}

/** Every record of a store. */
export async function allOf({ storage }: Pick<LeftBehind, 'storage'>): Promise<CertificateRecord[]> {
  const all: CertificateRecord[] = []
  let after: string | undefined
  do {
    const page = await storage.certificates.query({ limit: 1000, after })
    all.push(...page.items)
    after = page.next
  } while (after !== undefined)
  return all
}

async function* issuedOf(
  records: readonly CertificateRecord[],
): AsyncIterable<{ issuer: string; serialNumber: string }> {
  for (const { state, issuer, serialNumber } of records)
    if (state === 'issued') yield { issuer, serialNumber }
}
