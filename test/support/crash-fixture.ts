// What a killed CA and the checker of its store have in common.

import { createHash } from 'node:crypto'
import { openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { createTileDirectory } from '../../src/adapters/files/index.ts'
import { openAuditLog } from '../../src/audit/index.ts'
import type { AuditLog } from '../../src/audit/index.ts'
import type { Caller } from '../../src/auth/index.ts'
import { createCertificateAuthority, createRootCertificate } from '../../src/ca/index.ts'
import type { CaStorage, CertificateAuthority } from '../../src/ca/index.ts'
import { keyIdentifierOf } from '../../src/ca/internal.ts'
import { SoftwareSigner, exportPrivateKey, importPrivateKey } from '../../src/keys/index.ts'
import { createCaService } from '../../src/service/index.ts'
import type { CaService } from '../../src/service/index.ts'
import { SpiffeId } from '../../src/spiffe/index.ts'
import { buildCertificateRequest } from '../../src/x509/index.ts'
import type { Crl, SerialNumber } from '../../src/x509/index.ts'

/** What was answered, a line each. */
export type Answered =
  | { readonly kind: 'asked'; readonly key: string }
  | {
      readonly kind: 'issued'
      readonly key: string
      readonly serialNumber: SerialNumber
      readonly digest: string
    }
  /** `releasing`: the end of a hold was asked for, and may be on record. */
  | { readonly kind: 'revoked' | 'releasing' | 'released' | 'blocked'; readonly serialNumber: SerialNumber }
  | AnsweredList
  | { readonly kind: 'rotated'; readonly id: string }
  /** A checkpoint of the audit log, signed. */
  | { readonly kind: 'checkpoint'; readonly text: string }
  /** What the process had open and in use. */
  | { readonly kind: 'process'; readonly openFiles: number; readonly heapMiB: number }

/** A list that was handed out. */
export interface AnsweredList {
  readonly kind: 'list'
  /** Issuer and name, as a `CrlStore` has them: lists of one scope are compared. */
  readonly scope: string
  readonly number: string
  readonly thisUpdateMs: number
  readonly nextUpdateMs: number
  readonly answeredMs: number
}

const trustDomain = 'example.org'

/** Encrypts the keys of a crash CA; nothing else may have it. */
export const crashPassphrase = 'a passphrase for tests'

/** Who asks for every certificate. */
export const crashCaller: Caller = {
  identities: [SpiffeId.parse('spiffe://example.org/web')],
  credential: 'test',
  claims: {},
}

/** Makes the CA's key and certificate, and the request that every certificate is for. */
export async function prepareCrashDirectory(directory: string): Promise<void> {
  const [signer, audit] = [await SoftwareSigner.generate('P-256'), await SoftwareSigner.generate('Ed25519')]
  const root = await createRootCertificate(signer, { subject: 'CN=root', trustDomain })
  writeFileSync(join(directory, 'root.key'), exportPrivateKey(signer.privateKey()))
  writeFileSync(join(directory, 'audit.key'), exportPrivateKey(audit.privateKey()))
  writeFileSync(join(directory, 'root.pem'), root.toPem())
  await prepareAnswers(directory)
}

/** Makes the request that every certificate is for, and no answers. */
export async function prepareAnswers(directory: string): Promise<void> {
  const workload = await SoftwareSigner.generate('P-256')
  writeFileSync(join(directory, 'csr.pem'), (await buildCertificateRequest({}, workload)).toPem())
  writeFileSync(join(directory, 'answers.jsonl'), '')
}

/** The CA of a directory that `prepareCrashDirectory` has made, over a store. */
export function crashAuthority(directory: string, storage: CaStorage): CertificateAuthority {
  const certificate = readFileSync(join(directory, 'root.pem'), 'utf8')
  return createCertificateAuthority({
    trustDomain,
    certificate,
    signer: signerIn(directory, 'root'),
    storage,
  })
}

/** The audit log of such a directory. */
export function crashAudit(directory: string, storage: CaStorage): Promise<AuditLog> {
  return openAuditLog({
    origin: `${trustDomain}/audit`,
    signer: signerIn(directory, 'audit'),
    entries: storage.audit,
    tiles: createTileDirectory(join(directory, 'audit')),
  })
}

/** The whole CA of a directory: its keys, and its store where none is given, are in it. */
export function crashService(
  directory: string,
  given: Pick<Parameters<typeof createCaService>[0], 'storage' | 'keys' | 'workerModule'>,
): Promise<CaService> {
  return createCaService({
    ...{ directory, trustDomain, isAdministrator: () => true },
    ...(given.keys === undefined ? { passphrase: () => crashPassphrase } : {}),
    crlDistribution: { url: 'http://ca.example.org/crl', shards: 2, deltaTtlSeconds: 3600 },
    ...given,
  })
}

function signerIn(directory: string, name: string): SoftwareSigner {
  return new SoftwareSigner(importPrivateKey(readFileSync(join(directory, `${name}.key`), 'utf8')))
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

/** A list as an answer; its name is '' for the complete one. */
export function answeredList(list: Crl, name = ''): AnsweredList {
  return {
    kind: 'list',
    scope: `${keyIdentifierOf(list.authorityKeyIdentifier?.keyIdentifier ?? new Uint8Array())} ${name}`,
    number: String(list.crlNumber),
    thisUpdateMs: list.thisUpdate.getTime(),
    nextUpdateMs: list.nextUpdate?.getTime() ?? 0,
    answeredMs: Date.now(),
  }
}

export function digestOf(der: Uint8Array): string {
  return createHash('sha256').update(der).digest('hex')
}
