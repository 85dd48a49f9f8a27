// What a killed CA and the checker of its store have in common.

import { createHash } from 'node:crypto'
import { openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Caller } from '../../src/auth/index.ts'
import { createCertificateAuthority, createRootCertificate } from '../../src/ca/index.ts'
import type { CaStorage, CertificateAuthority } from '../../src/ca/index.ts'
import { SoftwareSigner, exportPrivateKey, importPrivateKey } from '../../src/keys/index.ts'
import { SpiffeId } from '../../src/spiffe/index.ts'
import { buildCertificateRequest } from '../../src/x509/index.ts'
import type { SerialNumber } from '../../src/x509/index.ts'

/** What was answered, a line each. */
export type Answered =
  | { readonly kind: 'asked'; readonly key: string }
  | {
      readonly kind: 'issued'
      readonly key: string
      readonly serialNumber: SerialNumber
      readonly digest: string
    }
  | { readonly kind: 'revoked'; readonly serialNumber: SerialNumber }
  | { readonly kind: 'list'; readonly number: string; readonly thisUpdateMs: number }

const trustDomain = 'example.org'

/** Who asks for every certificate. */
export const crashCaller: Caller = {
  identities: [SpiffeId.parse('spiffe://example.org/web')],
  credential: 'test',
  claims: {},
}

/** Makes the CA's key and certificate, and the request that every certificate is for. */
export async function prepareCrashDirectory(directory: string): Promise<void> {
  const [signer, workload] = [await SoftwareSigner.generate('P-256'), await SoftwareSigner.generate('P-256')]
  const root = await createRootCertificate(signer, { subject: 'CN=root', trustDomain })
  writeFileSync(join(directory, 'root.key'), exportPrivateKey(signer.privateKey()))
  writeFileSync(join(directory, 'root.pem'), root.toPem())
  writeFileSync(join(directory, 'csr.pem'), (await buildCertificateRequest({}, workload)).toPem())
  writeFileSync(join(directory, 'answers.jsonl'), '')
}

/** The CA of the directory over a store. */
export function crashAuthority(directory: string, storage: CaStorage): CertificateAuthority {
  const signer = new SoftwareSigner(importPrivateKey(readFileSync(join(directory, 'root.key'), 'utf8')))
  const certificate = readFileSync(join(directory, 'root.pem'), 'utf8')
  return createCertificateAuthority({ trustDomain, certificate, signer, storage })
}

/**
 * Writes answers down, each in one write of the operating system, which a kill of this process does not undo.
 */
export function answerWriter(directory: string): (answer: Answered) => void {
  const answers = openSync(join(directory, 'answers.jsonl'), 'a')
  return (answer) => void writeSync(answers, `${JSON.stringify(answer)}\n`)
}

/** What was answered until now. A line that the kill cut off was not answered. */
export function readAnswers(directory: string): Answered[] {
  const lines = readFileSync(join(directory, 'answers.jsonl'), 'utf8').split('\n')
  return lines.slice(0, -1).map((line) => JSON.parse(line) as Answered)
}

export function digestOf(der: Uint8Array): string {
  return createHash('sha256').update(der).digest('hex')
}
