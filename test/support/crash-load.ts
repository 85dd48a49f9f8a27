// The load of a CA that is killed: it writes down what it answered, after it has answered.

import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CaStorage } from '../../src/ca/index.ts'
import { isPkiError } from '../../src/errors/index.ts'
import { createIssuanceService } from '../../src/issuance/index.ts'
import { CertificateRequest } from '../../src/x509/index.ts'
import { answerWriter, crashAuthority, crashCaller, digestOf } from './crash-fixture.ts'
import type { Answered } from './crash-fixture.ts'

/** What a load does beside issuing and revoking. */
export interface CrashLoadOptions {
  readonly publishes?: boolean
  /** What a call comes to that the store did not answer. */
  readonly unavailable?: 'fails' | 'goes on'
}

/** Issues, revokes and, where it is the one that does, publishes lists, until the process is killed. */
export async function crashLoad(
  directory: string,
  storage: CaStorage,
  { publishes = true, unavailable = 'fails' }: CrashLoadOptions = {},
): Promise<void> {
  const authority = crashAuthority(directory, storage)
  const issuance = createIssuanceService({ authority, isAdministrator: () => true })
  const csr = CertificateRequest.fromPem(readFileSync(join(directory, 'csr.pem'), 'utf8'))
  const writeDown = answerWriter(directory)
  const answered = (answer: Answered): void => {
    writeDown(answer)
    process.stdout.write('.')
  }

  /** Undefined where the store did not answer, and may have written. */
  async function outcomeOf<Outcome>(outcome: Promise<Outcome>): Promise<Outcome | undefined> {
    try {
      return await outcome
    } catch (error) {
      if (unavailable === 'goes on' && isPkiError(error, 'ERR_STORE_UNAVAILABLE')) return undefined
      throw error
    }
  }

  async function issueAndRevoke(): Promise<void> {
    for (let count = 0; ; count++) {
      const key = randomUUID()
      answered({ kind: 'asked', key })
      const issued = await outcomeOf(issuance.issue({ csr, idempotencyKey: key }, crashCaller))
      if (issued === undefined) continue
      const { serialNumber, der } = issued.certificate
      answered({ kind: 'issued', key, serialNumber, digest: digestOf(der) })
      if (count % 8 !== 0) continue
      const revoking = issuance.revoke(serialNumber, 'superseded', crashCaller)
      if ((await outcomeOf(revoking.then(() => true))) === true) answered({ kind: 'revoked', serialNumber })
    }
  }

  async function publish(): Promise<void> {
    for (;;) {
      const list = await outcomeOf(authority.issueCrl({ fresh: true }))
      if (list !== undefined)
        answered({ kind: 'list', number: String(list.crlNumber), thisUpdateMs: list.thisUpdate.getTime() })
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  await Promise.all([...Array.from({ length: 16 }, issueAndRevoke), ...(publishes ? [publish()] : [])])
}
