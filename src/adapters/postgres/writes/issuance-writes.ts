// Intents and outcomes, a batch at a time.

import {
  blockingSubjects,
  certificateUnknown,
  idempotencyKeyUsed,
  intentColumns,
  notRenewable,
  otherOutcome,
  serialExists,
} from '../../../ca/internal.ts'
import type { ColumnValue, KeyIdentifier, Row } from '../../../ca/internal.ts'
import type { CertificateId } from '../../../ca/internal.ts'
import type { PkiError } from '../../../errors/index.ts'
import type { Connections, Run, Statement } from '../connections.ts'
import { addAudit } from './audit-writes.ts'
import { BatchValues, idOf, idOfRow, jsonOf, keyOf, keysOf } from './batch-values.ts'
import { lookUpBlocks } from './blocks.ts'
import { issuanceStatements } from './issuance-statements.ts'
import type { IssuanceStatements } from './issuance-statements.ts'
import type { Settled } from './write-lane.ts'

/** A row to insert, with the audit entries that become durable with it. */
export interface IntentWrite {
  /** In the order of `intentColumns`. */
  readonly values: readonly ColumnValue[]
  readonly audit: readonly Uint8Array[]
}

/** The outcome of one signature. */
export interface OutcomeWrite {
  readonly id: CertificateId
  /** Undefined: it failed. */
  readonly certificate: Uint8Array | undefined
  readonly audit: readonly Uint8Array[]
}

/** The writes of issuance, for the tables of one schema. `S` is its quoted name. */
export class IssuanceWrites {
  readonly #connections: Connections
  readonly #statements: IssuanceStatements
  readonly #S: string

  constructor(connections: Connections, S: string) {
    this.#connections = connections
    this.#statements = issuanceStatements(S)
    this.#S = S
  }

  /** @throws errors of the server and its connection; refusals are results */
  async recordIntents(batch: readonly IntentWrite[]): Promise<readonly Settled<undefined>[]> {
    return this.#connections.transaction((run) => this.#recordIntents(run, batch), this.#statements.begin)
  }

  async #recordIntents(run: Run, batch: readonly IntentWrite[]): Promise<readonly Settled<undefined>[]> {
    const renewals = batch.flatMap(({ values }) => renewedBy(values))
    const refusalOf = await this.#renewalRefusals(run, renewals)
    const refusals = batch.map(({ values }) => refusalOf(renewedBy(values)[0]))
    const given = batch.filter((_, at) => refusals[at] === undefined)
    const added = await this.#insertIntents(run, given)
    await addAudit(
      run,
      this.#S,
      given.flatMap(({ audit }, at) => (added[at] === undefined ? audit : [])),
    )
    const results = added[Symbol.iterator]()
    return batch.map((_, at) => {
      const refusal = refusals[at] ?? results.next().value
      return refusal === undefined ? done : { refusal }
    })
  }

  /** For each intent the reason why it was not inserted, or undefined. */
  async #insertIntents(run: Run, batch: readonly IntentWrite[]): Promise<readonly (PkiError | undefined)[]> {
    const { insertIntents, known } = this.#statements
    const added = await insertRows(run, insertIntents, batch)
    const others = batch.filter(({ values }) => !added.has(keyOf(idOf(values))))
    if (others.length === 0) return batch.map(() => undefined)
    const blockOf = await lookUpBlocks(
      run,
      this.#S,
      others.map(({ values }) => subjectsOf(values)),
    )
    const recorded = keysOf(await run(known, jsonOf(others.map(({ values }) => idOf(values)))))
    return batch.map(({ values }) => {
      const id = idOf(values)
      if (added.has(keyOf(id))) return undefined
      const blocked = blockOf(subjectsOf(values))
      if (blocked !== undefined) return blocked
      // If neither exists any longer, another process has removed the conflict: a retry may succeed.
      return recorded.has(keyOf(id)) || values[idempotencyKeyAt] === null
        ? serialExists(id)
        : idempotencyKeyUsed()
    })
  }

  /** Inserts rows of certificates without a record, also blocked ones; existing rows are not changed. */
  async insertUnrecorded(run: Run, rows: readonly (readonly ColumnValue[])[]): Promise<void> {
    const batch = rows.map((values) => ({ values, audit: [] }))
    await insertRows(run, this.#statements.insertUnrecorded, batch)
  }

  /** @throws errors of the server and its connection; refusals are results */
  async recordOutcomes(batch: readonly OutcomeWrite[]): Promise<readonly Settled<undefined>[]> {
    return this.#connections.transaction(async (run) => {
      const settled = await this.#settleAll(run, batch, false)
      const rest = batch.filter(({ id }) => !settled.has(keyOf(id)))
      const refusals =
        rest.length === 0 ? new Map<string, PkiError>() : await this.#settleRest(run, rest, settled)
      await addAudit(
        run,
        this.#S,
        batch.flatMap(({ id, audit }) => (settled.has(keyOf(id)) ? audit : [])),
      )
      return batch.map(({ id }) => {
        const refusal = refusals.get(keyOf(id))
        return refusal === undefined ? done : { refusal }
      })
    }, this.#statements.begin)
  }

  /** Handles renewals, repetitions and refusals; adds the changed certificates to `settled`. */
  async #settleRest(
    run: Run,
    rest: readonly OutcomeWrite[],
    settled: Set<string>,
  ): Promise<ReadonlyMap<string, PkiError>> {
    const ids = rest.map(({ id }) => id)
    const open = new Map(
      (await run(this.#statements.open, jsonOf(ids))).map((row) => [keyOf(idOfRow(row)), valuesOfRow(row)]),
    )
    const signed = rest.flatMap(({ id, certificate }) => {
      const values = open.get(keyOf(id))
      return certificate === undefined || values?.[stateAt] !== 'intended' ? [] : [values]
    })
    const refusalOf = await this.#renewalRefusals(
      run,
      signed.flatMap((values) => renewedBy(values)),
    )
    const blockOf = await lookUpBlocks(run, this.#S, signed.map(subjectsOf))
    const refusals = new Map<string, PkiError>()
    const accepted: OutcomeWrite[] = []
    for (const write of rest) {
      const values = open.get(keyOf(write.id))
      const isOpen = values !== undefined && values[stateAt] === 'intended'
      const refusal =
        outcomeRefusal(write, values) ??
        (isOpen && write.certificate !== undefined
          ? (refusalOf(renewedBy(values)[0]) ?? blockOf(subjectsOf(values)))
          : undefined)
      if (refusal !== undefined) refusals.set(keyOf(write.id), refusal)
      else if (isOpen) accepted.push(write)
    }
    for (const key of await this.#settleAll(run, accepted, true)) settled.add(key)
    return refusals
  }

  async #settleAll(run: Run, batch: readonly OutcomeWrite[], isChecked: boolean): Promise<Set<string>> {
    if (batch.length === 0) return new Set()
    const rows = new BatchValues()
    for (const { id, certificate } of batch) {
      const flags = { is_failed: certificate === undefined, is_checked: isChecked }
      rows.add({ issuer: id.issuer, serial_number: id.serialNumber, ...flags, certificate })
    }
    return keysOf(await run(this.#statements.settle, ...rows.parameters))
  }

  /** Reads and locks the certificates to renew; returns the reason if one must not be renewed. */
  async #renewalRefusals(
    run: Run,
    renewals: readonly CertificateId[],
  ): Promise<(renews: CertificateId | undefined) => PkiError | undefined> {
    if (renewals.length === 0) return () => undefined
    const distinct = [...new Map(renewals.map((id) => [keyOf(id), id])).values()]
    const rows = new Map(
      (await run(this.#statements.renewed, jsonOf(distinct))).map((row) => [keyOf(idOfRow(row)), row]),
    )
    return (renews) => {
      if (renews === undefined) return undefined
      const row = rows.get(keyOf(renews))
      if (row === undefined) return notRenewable(renews, 'not recorded')
      return row['revocation_reason'] === null ? undefined : notRenewable(renews, 'revoked')
    }
  }
}

/** The keys of the rows that were inserted. */
async function insertRows(
  run: Run,
  statement: Statement,
  batch: readonly IntentWrite[],
): Promise<ReadonlySet<string>> {
  if (batch.length === 0) return new Set()
  const rows = new BatchValues()
  batch.forEach(({ values }, position) => {
    rows.add({ position, ...Object.fromEntries(intentColumns.map((column, at) => [column, values[at]])) })
  })
  return keysOf(await run(statement, ...rows.parameters))
}

function outcomeRefusal(
  { id, certificate }: OutcomeWrite,
  values: readonly ColumnValue[] | undefined,
): PkiError | undefined {
  if (values === undefined) return certificateUnknown(id)
  const [recorded, given] = [String(values[stateAt]), certificate === undefined ? 'failed' : 'issued']
  if (recorded === 'intended' || (recorded === given && isSame(values[certificateAt], certificate)))
    return undefined
  return otherOutcome(id, recorded, given)
}

function isSame(stored: ColumnValue | undefined, given: Uint8Array | undefined): boolean {
  return given === undefined
    ? stored === null
    : stored instanceof Uint8Array && Buffer.compare(stored, given) === 0
}

/** The values of a row of `open`; values of columns that the row lacks are undefined. */
function valuesOfRow(row: Row): readonly ColumnValue[] {
  return intentColumns.map((column) => row[column] as ColumnValue)
}

function renewedBy(values: readonly ColumnValue[]): readonly CertificateId[] {
  const [issuer, serialNumber] = [values[renewsIssuerAt], values[renewsSerialAt]]
  return issuer === null ? [] : [{ issuer, serialNumber } as CertificateId]
}

/** The subjects that could block the certificate of these values. */
function subjectsOf(values: readonly ColumnValue[]): readonly string[] {
  const [issuer, keyIdentifier] = [
    values[issuerAt] as KeyIdentifier,
    values[keyIdentifierAt] as KeyIdentifier,
  ]
  const identity = values[identityAt] as string
  return blockingSubjects({ issuer, identity, keyIdentifier, renews: renewedBy(values)[0] })
}

const at = (column: (typeof intentColumns)[number]): number => intentColumns.indexOf(column)
const issuerAt = at('issuer')
const identityAt = at('identity')
const keyIdentifierAt = at('key_identifier')
const renewsIssuerAt = at('renews_issuer')
const renewsSerialAt = at('renews_serial_number')
const idempotencyKeyAt = at('idempotency_key')
const stateAt = at('state')
const certificateAt = at('certificate')
const done = { answer: undefined } as const
