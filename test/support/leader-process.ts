// One of several CA processes on one PostgreSQL, to be stopped, killed and disconnected, which writes down
// each action after it was answered.

import { openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { createPostgresStorage } from '../../src/adapters/postgres/index.ts'
import { holdLease } from '../../src/ca/index.ts'
import type { CaStorage } from '../../src/ca/index.ts'
import { isPkiError } from '../../src/errors/index.ts'
import { createIssuanceService } from '../../src/issuance/index.ts'
import { systemClock } from '../../src/runtime/index.ts'
import { numberedByLeader } from '../../src/service/leadership.ts'
import { CertificateRequest } from '../../src/x509/index.ts'
import { crashAuthority, crashCaller } from './crash-fixture.ts'

/** What a process did. */
export type Deed =
  | { readonly kind: 'list'; readonly number: string; readonly epoch: number }
  | { readonly kind: 'revoked'; readonly serialNumber: string }
  | { readonly kind: 'sequenced'; readonly from: number; readonly count: number; readonly epoch: number }
  /** A write of this process was refused because its epoch was stale. */
  | { readonly kind: 'stale'; readonly epoch: number }

// The port, the schema, the directory, the file of its answers, the name of the process.
const [port, schema = '', directory = '', file = '', holder = ''] = process.argv.slice(2)
const deeds = openSync(file, 'a')
/** In one write of the operating system, which a kill of this process does not undo. */
const did = (deed: Deed): void => void writeSync(deeds, `${JSON.stringify(deed)}\n`)

const storage = await createPostgresStorage({
  connection: { host: '127.0.0.1', port: Number(port), user: 'postgres', database: 'postgres' },
  schema,
  maxConnections: 4,
  statementTimeoutMs: 2000,
  lockTimeoutMs: 1000,
})
const { crls } = storage
const told: CaStorage = {
  ...storage,
  crls: {
    last: (...call) => crls.last(...call),
    list: () => crls.list(),
    async publish(crl, options) {
      const epoch = options.fence?.epoch ?? 0
      await crls.publish(crl, options).catch((error: unknown) => {
        if (isPkiError(error, 'ERR_LEASE_STALE')) did({ kind: 'stale', epoch })
        throw error
      })
      did({ kind: 'list', number: String(crl.number), epoch })
    },
  },
}
const lease = await holdLease({ leases: storage.leases, name: 'ca', holder, ttlMs: 900 })
const authority = crashAuthority(directory, numberedByLeader(told, lease, systemClock))
const issuance = createIssuanceService({ authority, isAdministrator: () => true })
const csr = CertificateRequest.fromPem(readFileSync(join(directory, 'csr.pem'), 'utf8'))

/** Again and again; while the server is not reached, after a pause. */
async function repeat(pauseMs: number, perform: () => Promise<unknown>): Promise<never> {
  for (;;) {
    await perform().catch((error: unknown) => {
      if (!isPkiError(error)) throw error
    })
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}

process.stdout.write('ready')
await Promise.all([
  ...[1, 2, 3].map(() =>
    repeat(10, async () => {
      const { certificate } = await issuance.issue({ csr }, crashCaller)
      await storage.audit.append([certificate.der])
      await issuance.revoke(certificate.serialNumber, 'superseded', crashCaller)
      did({ kind: 'revoked', serialNumber: certificate.serialNumber })
    }),
  ),
  repeat(10, () => lease.lead(() => authority.issueCrl({ fresh: true }))),
  repeat(10, () =>
    lease.lead(async (fence) => {
      const { epoch } = fence
      const entries = await storage.audit.sequence(20, fence).catch((error: unknown) => {
        if (isPkiError(error, 'ERR_LEASE_STALE')) did({ kind: 'stale', epoch })
        throw error
      })
      const [first] = entries
      if (first !== undefined) did({ kind: 'sequenced', from: first.index, count: entries.length, epoch })
    }),
  ),
])
