// issue/durable-postgres: issuing on PostgreSQL over a Unix socket against issuing on a store in memory.

import { generateKeyPairSync } from 'node:crypto'
import { createPostgresStorage } from '../src/adapters/postgres/index.ts'
import type { Caller } from '../src/auth/index.ts'
import { createCertificateAuthority, createRootCertificate } from '../src/ca/index.ts'
import type { CaStorage } from '../src/ca/index.ts'
import { createIssuanceService } from '../src/issuance/index.ts'
import { SoftwareSigner } from '../src/keys/index.ts'
import { SpiffeId } from '../src/spiffe/index.ts'
import { startPostgres } from '../test/support/postgres.ts'
import type { PostgresServer } from '../test/support/postgres.ts'
import { requires } from '../test/support/requires.ts'
import { buildCertificateRequest } from '../src/x509/index.ts'
import { benchStorage } from './issuance.ts'
import type { BenchRow } from './row.ts'

const caller: Caller = {
  identities: [SpiffeId.parse('spiffe://example.org/ns/production/sa/payments')],
  credential: 'bench',
  claims: {},
}
const p256 = (): SoftwareSigner =>
  new SoftwareSigner(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
const csr = (await buildCertificateRequest({}, p256())).toPem()
const callers = 256
const eachCaller = 4

/** None where no server is installed: `requires` says so in a line. */
export const rows: readonly BenchRow[] = requires('postgres') ? [durableRow()] : []

/** Each caller issues one certificate after another. */
function durableRow(): BenchRow {
  const signer = p256()
  let server: PostgresServer | undefined
  let storage: CaStorage | undefined
  const service = async (on: CaStorage): Promise<() => Promise<void>> => {
    const options = { subject: 'CN=bench', trustDomain: 'example.org' }
    const certificate = await createRootCertificate(signer, options)
    const authority = createCertificateAuthority({
      trustDomain: 'example.org',
      certificate,
      signer,
      storage: on,
    })
    const issuance = createIssuanceService({ authority })
    return async () => {
      await Promise.all(
        Array.from({ length: callers }, async () => {
          for (let i = 0; i < eachCaller; i++) await issuance.issue({ csr }, caller)
        }),
      )
    }
  }
  let [durable, volatile] = [async (): Promise<void> => undefined, async (): Promise<void> => undefined]
  return {
    name: 'issue/durable-postgres',
    operations: callers * eachCaller,
    bars: { 'no store': 0.35 },
    goals: { 'no store': 0.5 },
    async setup() {
      server = await startPostgres({ shared_buffers: '128MB' })
      storage = await createPostgresStorage({ connection: server.connection })
      durable = await service(storage)
      volatile = await service(benchStorage())
    },
    async teardown() {
      await storage?.[Symbol.asyncDispose]()
      await server?.stop()
    },
    ours: () => durable(),
    peers: { 'no store': () => volatile() },
  }
}
