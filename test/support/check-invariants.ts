// The one list of invariants that a CA is held to after a crash, for any backend.

import type { CaService } from '../../src/service/index.ts'
import { readAnswers } from './crash-fixture.ts'
import { checkAudit, allOf, checkStates } from './invariants/audit.ts'
import { checkCertificates, issuersOf } from './invariants/certificates.ts'
import { checkKeys, checkProcesses, checkSecrets } from './invariants/files.ts'
import { checkEpochs } from './invariants/leaders.ts'
import { CheckMemory } from './invariants/left-behind.ts'
import type { Holds, LeftBehind } from './invariants/left-behind.ts'
import { checkLists } from './invariants/lists.ts'
import { checkRetries } from './invariants/retries.ts'

export { rootPemOf } from './invariants/files.ts'
export { CheckMemory } from './invariants/left-behind.ts'

// Where each invariant is held:
//
// - I1  each certificate that was answered is on record: invariants/certificates.ts
// - I2  serial numbers are unique within an issuer: certificates.ts
// - I3  what was signed passes all lints, and its signature verifies: certificates.ts
// - I4  a leaf is within its issuer and not longer than the policy allows, inclusive: certificates.ts
// - I5  the identity of a certificate is that of its caller: certificates.ts
// - I6  a revocation that was answered is on each later list, complete, delta and shard: lists.ts
// - I7  list numbers rise, nextUpdate has not come, thisUpdate does not go back except from a list more than
//       five minutes in the future of the accepted clock: lists.ts
// - I8  the audit log verifies and has grown; store and log have the same issuances and revocations, one
//       outcome each: audit.ts
// - I9  epochs never go back: leaders.ts, of what leader-process.ts writes down, which also counts the writes
//       of a stale epoch that the store has refused; SQLite has one writer: unit/adapters/sqlite
// - I10 the key of each authority is that of its certificate, and root.pem has roots of the CA: files.ts; the
//       pair of files of a workload: fault/file-sink-kills.test.ts
// - I11 no file has a secret: files.ts; unit/keys/secrets.test.ts
// - I12 no quota is exceeded by more than its burst: only a running process knows the time:
//       unit/policy/rate-limiter.test.ts and limits-at-once.test.ts
// - I13 the chain of each issuer verifies with the bundle that is served: certificates.ts; at the moment of
//       the answer: crash-load.ts
// - I14 authorities take allowed steps only: audit.ts
// - I15 a process has a bounded number of files open and a bounded heap: files.ts, of what crash-load.ts
//       writes down; over a long time: fault/*-endurance.test.ts
// - I16 nothing is thrown that nobody catches: Node.js ends such a process with a text and without a signal,
//       and each test of a kill wants the signal and no text
//
// Beside them: one idempotency key has one certificate, and a block of a renewal stays.

/**
 * Each violation in a line; nothing where all hold. `memory` is what earlier checks of the same CA found:
 * what has not changed since is not checked again.
 */
export async function violationsOf(
  left: LeftBehind,
  memory: CheckMemory = new CheckMemory(),
): Promise<string[]> {
  const found: string[] = []
  const holds: Holds = (condition, text) => {
    if (!condition) found.push(text)
  }
  const [records, issuers] = [await allOf(left), await issuersOf(left)]
  await checkCertificates(left, records, issuers, memory, holds)
  await checkLists(left, records, issuers, holds)
  if (left.deeds !== undefined) await checkEpochs(left.deeds, left.storage, holds)
  await checkStates(left, memory, holds)
  await checkKeys(left, holds)
  checkProcesses(left, holds)
  await checkRetries(left, records, holds)
  const { audit, directory } = left
  if (audit !== undefined) await checkAudit({ ...left, audit }, memory, holds)
  if (directory !== undefined) checkSecrets(directory, holds)
  return found
}

/** The same of a service that is open in its directory. Not given: what only its answers tell. */
export function leftByService(
  service: CaService,
  directory: string,
  given: Pick<LeftBehind, 'csr' | 'rootPem'> & { readonly answersIn?: string | undefined } = {},
): LeftBehind {
  const { storage, authority, issuance, keys, audit } = service
  const { answersIn, ...others } = given
  return {
    ...{ storage, authority, issuance, keys, directory, ...others },
    answers: answersIn === undefined ? [] : readAnswers(answersIn),
    ...(audit === undefined ? {} : { audit: { log: audit, directory: `${directory}/audit` } }),
  }
}
