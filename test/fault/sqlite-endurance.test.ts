// Many certificates on one SQLite store with its audit log, without growth of memory.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { createTileDirectory } from '../../src/adapters/files/index.ts'
import { createSqliteStorage } from '../../src/adapters/sqlite/index.ts'
import { openAuditLog } from '../../src/audit/index.ts'
import { createCertificateAuthority, createRootCertificate } from '../../src/ca/index.ts'
import { createIssuanceService } from '../../src/issuance/index.ts'
import { SoftwareSigner } from '../../src/keys/index.ts'
import { SpiffeId } from '../../src/spiffe/index.ts'
import { buildCertificateRequest } from '../../src/x509/index.ts'
import { sqliteWorker } from '../support/bundled.ts'
import { temporaryFolders } from '../support/temporary.ts'

// docs/bench.md has the figures of a long run.
const count = Number(process.env['SPIFFE_PKI_CERTIFICATES'] ?? 10_000)
/** Requests at once. */
const callers = 128
const mebibyte = 1024 ** 2
const trustDomain = 'example.org'
const newFolder = temporaryFolders('sqlite-endurance-')

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** In MiB: what JavaScript holds, and the whole process with the thread of the store. */
function memory(): { held: number; resident: number } {
  collect()
  collect()
  const { heapUsed, external, rss } = process.memoryUsage()
  return { held: (heapUsed + external) / mebibyte, resident: rss / mebibyte }
}

it(
  `${count} certificates leave nothing behind in memory`,
  async () => {
    const folder = newFolder()
    // A small cache: one of 64 MiB would still fill where the measurement begins.
    await using storage = await createSqliteStorage({
      path: join(folder, 'ca.sqlite'),
      cacheBytes: 4 * mebibyte,
      workerModule: sqliteWorker(),
    })
    const signer = await SoftwareSigner.generate('P-256')
    const certificate = await createRootCertificate(signer, { subject: 'CN=endurance', trustDomain })
    const authority = createCertificateAuthority({ trustDomain, certificate, signer, storage })
    await using issuance = createIssuanceService({ authority, audit: true })
    const log = await openAuditLog({
      origin: 'endurance/audit',
      signer: await SoftwareSigner.generate('Ed25519'),
      entries: storage.audit,
      tiles: createTileDirectory(join(folder, 'audit')),
    })
    const csr = await buildCertificateRequest({}, await SoftwareSigner.generate('P-256'))
    let issued = 0
    const issueUntil = async (end: number): Promise<void> => {
      await Promise.all(
        Array.from({ length: callers }, async () => {
          while (issued < end) {
            const id = SpiffeId.parse(`spiffe://example.org/w/${issued++ % 1000}`)
            await issuance.issue(
              { csr, ttlSeconds: 3600 },
              { identities: [id], credential: 'test', claims: {} },
            )
            if (issued % 2_000 === 0) await log.integrate()
          }
        }),
      )
    }
    const points = []
    for (let tenth = 1; tenth <= 10; tenth++) {
      await issueUntil((count / 10) * tenth)
      await log.integrate()
      points.push(memory())
      const { held, resident } = points.at(-1)!
      console.log(`${issued} certificates: held ${held.toFixed(1)} MiB, process ${resident.toFixed(0)} MiB`)
    }
    expect(log.size).toBe(issued)
    const [, early] = points
    const last = points.at(-1)!
    expect(last.held - early!.held).toBeLessThan(8)
    expect(last.resident - early!.resident).toBeLessThan(128)
  },
  120_000 + count * 20,
)
