// I10, I11 and I15: keys and certificates on disk, secrets, and what a process has in use.

import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Certificate } from '../../../src/x509/index.ts'
import { crashPassphrase } from '../crash-fixture.ts'
import type { Holds, LeftBehind } from './left-behind.ts'

/** `root.pem` of a directory, as it is now. */
export function rootPemOf(directory: string): string | undefined {
  try {
    return readFileSync(join(directory, 'root.pem'), 'utf8')
  } catch {
    return undefined
  }
}

/** The key of each authority is that of its certificate, and `root.pem` has roots that are on record. */
export async function checkKeys(left: LeftBehind, holds: Holds): Promise<void> {
  const authorities = await left.storage.authorities.list()
  for (const { id, state, keyId, keyVersion, certificate } of authorities) {
    if (state === 'revoked' || left.keys === undefined) continue
    const signer = await left.keys.getSigner(keyId, keyVersion)
    const isSame = signer?.publicKey.equals(Certificate.parse(certificate).publicKey) ?? false
    holds(isSame, `I10: the key ${keyId} (version ${keyVersion}) is not that of ${id}`)
  }
  if (left.rootPem === undefined) return
  const known = authorities.map(({ certificate }) => Certificate.parse(certificate).toPem())
  const roots = left.rootPem.split(/(?<=-----END CERTIFICATE-----\n)/)
  for (const root of roots) holds(known.includes(root), 'I10: root.pem has a root that is on no record')
}

/**
 * No file has the passphrase or a private key that is not encrypted. The keys of `prepareCrashDirectory`,
 * which no key manager keeps, are left out.
 */
export function checkSecrets(directory: string, holds: Holds): void {
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || /^(root|audit)\.key$/.test(entry.name)) continue
    const octets = octetsOf(join(entry.parentPath, entry.name))
    for (const [name, secret] of secrets)
      holds(!octets.includes(secret), `I11: the file ${entry.name} has ${name}`)
  }
}

/** Nothing of a file that is gone: the CA is open and writes tiles. */
function octetsOf(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0)
    throw error
  }
}

const secrets: readonly (readonly [string, Buffer])[] = [
  ['the passphrase', Buffer.from(crashPassphrase)],
  ['a private key as text', Buffer.from('-----BEGIN PRIVATE KEY-----')],
  ['a private key as text', Buffer.from('-----BEGIN EC PRIVATE KEY-----')],
  // PKCS #8 (RFC 5958) of P-256 and of Ed25519, up to the key itself.
  ['a private key', Buffer.from('308187020100301306072a8648ce3d020106082a8648ce3d030107', 'hex')],
  ['a private key', Buffer.from('302e020100300506032b657004220420', 'hex')],
]

/** What the processes said of themselves. */
export function checkProcesses({ answers }: LeftBehind, holds: Holds): void {
  for (const answer of answers) {
    if (answer.kind !== 'process') continue
    const { openFiles, heapMiB } = answer
    holds(openFiles <= mostOpenFiles, `I15: a process had ${openFiles} files open`)
    holds(heapMiB <= mostHeapMiB, `I15: the heap of a process had ${heapMiB} MiB`)
  }
}

const mostOpenFiles = 64
const mostHeapMiB = 256
