// The load of a CA that is killed: it writes down what it answered, after it has answered.

import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CaStorage } from '../../src/ca/index.ts'
import { createIssuanceService } from '../../src/issuance/index.ts'
import { CertificateRequest } from '../../src/x509/index.ts'
import { answerWriter, crashAuthority, crashCaller, digestOf } from './crash-fixture.ts'
import type { Answered } from './crash-fixture.ts'

/** Issues, revokes and, where it is the one that does, publishes lists, until the process is killed. */
export async function crashLoad(directory: string, storage: CaStorage, publishes = true): Promise<void> {
  const authority = crashAuthority(directory, storage)
  const issuance = createIssuanceService({ authority, isAdministrator: () => true })
  const csr = CertificateRequest.fromPem(readFileSync(join(directory, 'csr.pem'), 'utf8'))
  const writeDown = answerWriter(directory)
  const answered = (answer: Answered): void => {
    writeDown(answer)
    process.stdout.write('.')
  }

  async function issueAndRevoke(): Promise<void> {
    for (let count = 0; ; count++) {
      const key = randomUUID()
      answered({ kind: 'asked', key })
      const { certificate } = await issuance.issue({ csr, idempotencyKey: key }, crashCaller)
      answered({
        kind: 'issued',
        key,
        serialNumber: certificate.serialNumber,
        digest: digestOf(certificate.der),
      })
      if (count % 8 !== 0) continue
      await issuance.revoke(certificate.serialNumber, 'superseded', crashCaller)
      answered({ kind: 'revoked', serialNumber: certificate.serialNumber })
    }
  }

  async function publish(): Promise<void> {
    for (;;) {
      const list = await authority.issueCrl({ fresh: true })
      answered({ kind: 'list', number: String(list.crlNumber), thisUpdateMs: list.thisUpdate.getTime() })
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  await Promise.all([...Array.from({ length: 16 }, issueAndRevoke), ...(publishes ? [publish()] : [])])
}
