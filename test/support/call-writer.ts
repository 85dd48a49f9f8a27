// A CA that does one task and ends, to be killed at each call of it.

import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createSqliteStorage } from '../../src/adapters/sqlite/index.ts'
import { createIssuanceService } from '../../src/issuance/index.ts'
import { createCaService } from '../../src/service/index.ts'
import { CertificateRequest } from '../../src/x509/index.ts'
import {
  answerWriter,
  answeredList,
  crashAudit,
  crashAuthority,
  crashCaller,
  crashPassphrase,
  digestOf,
} from './crash-fixture.ts'

// The directory, the URL of the store's thread, the task.
const [directory = '', worker = '', task = ''] = process.argv.slice(2)
const workerModule = new URL(worker)
const openStorage = () =>
  createSqliteStorage({ path: join(directory, 'ca.sqlite'), workerModule, owner: 'example.org' })

/** What a task leaves open. */
const tasks: Readonly<Record<string, () => Promise<AsyncDisposable>>> = {
  /** On a store that may not be there yet. */
  async issue() {
    const storage = await openStorage()
    const authority = crashAuthority(directory, storage)
    const issuance = createIssuanceService({ authority, isAdministrator: () => true, audit: true })
    const log = await crashAudit(directory, storage)
    const csr = CertificateRequest.fromPem(readFileSync(join(directory, 'csr.pem'), 'utf8'))
    const answered = answerWriter(directory)
    for (let count = 0; count < 2; count++) {
      const key = randomUUID()
      answered({ kind: 'asked', key })
      const { certificate } = await issuance.issue({ csr, idempotencyKey: key }, crashCaller)
      const { serialNumber, der } = certificate
      answered({ kind: 'issued', key, serialNumber, digest: digestOf(der) })
      await issuance.revoke(serialNumber, 'superseded', crashCaller)
      answered({ kind: 'revoked', serialNumber })
      const list = await authority.issueCrl({ fresh: true })
      answered(answeredList(list))
      await log.integrate()
      answered({ kind: 'checkpoint', text: log.checkpoint })
    }
    return storage
  },
  migrate: openStorage,
  async backup() {
    const service = await createCaService({
      directory: join(directory, 'ca'),
      trustDomain: 'example.org',
      passphrase: () => crashPassphrase,
      workerModule,
    })
    const path = join(directory, 'archives', `archive-${process.pid}`)
    await service.backup({ path, passphrase: () => 'another passphrase for tests' })
    return service
  },
}
const opened = await tasks[task]!()
await opened[Symbol.asyncDispose]()
process.stdout.write('done')
