// Certificate chain, private key, roots and revocation lists of a workload, from the texts of files.

import { createHash } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { PkiError, isPkiError } from '../../../errors/index.ts'
import { importPrivateKey } from '../../../keys/index.ts'
import type { SpiffeId } from '../../../spiffe/index.ts'
import { TrustBundle, X509Svid, X509SvidValidator } from '../../../svid/index.ts'
import { createPathValidator } from '../../../validation/index.ts'
import { Certificate, Crl, PublicKey } from '../../../x509/index.ts'

/** The names of the files of a set in their directory. @inline */
export interface FileNames {
  readonly certificates: string
  readonly key: string
  readonly roots: string
  /** Revocation lists in PEM; the file need not exist. */
  readonly crls?: string | undefined
}

/** A certificate chain with its key. */
export interface FileCertificate {
  /** Leaf first, without the root. */
  readonly certificates: readonly Certificate[]
  readonly privateKey: KeyObject
  /** undefined for a certificate without a SPIFFE ID. */
  readonly svid: X509Svid | undefined
}

/** A set of files that belong together. */
export interface FileSet extends FileCertificate {
  readonly roots: readonly Certificate[]
  /** The roots as the bundle of the SVID's trust domain. */
  readonly bundle: TrustBundle | undefined
  readonly crls: readonly Crl[]
}

export type FileTexts = Readonly<Record<string, string | undefined>>

/** The file names of Istio's agent, Kubernetes Secrets, spiffe-helper, and Google's workload credentials. */
export const knownFileNames: readonly FileNames[] = [
  { certificates: 'cert-chain.pem', key: 'key.pem', roots: 'root-cert.pem', crls: 'ca-crl.pem' },
  { certificates: 'tls.crt', key: 'tls.key', roots: 'ca.crt', crls: 'ca.crl' },
  { certificates: 'svid.pem', key: 'svid_key.pem', roots: 'bundle.pem' },
  { certificates: 'certificates.pem', key: 'private_key.pem', roots: 'ca_certificates.pem' },
]

/** A text that differs between two versions of the files. */
export function fingerprintOf(texts: FileTexts): string {
  const hash = createHash('sha256')
  for (const [name, text = ''] of Object.entries(texts)) hash.update(`${name} ${text.length}\n${text}`)
  return hash.digest('base64')
}

/**
 * Parses and checks the set: the key belongs to the leaf, and the chain has a valid path to one of the roots.
 *
 * @throws ERR_SECRET_FILES, which names the file at fault
 */
export function parseFileSet(texts: FileTexts, layouts: readonly FileNames[], nowMs: number): FileSet {
  const names = layouts.find(({ certificates, key }) => (texts[certificates] ?? texts[key]) !== undefined)
  if (names === undefined) {
    const sought = layouts.map(({ certificates }) => certificates).join(', ')
    throw new PkiError('ERR_SECRET_FILES', `no certificate file was found; expected one of ${sought}`)
  }
  const { certificates, privateKey, svid } = parseFileCertificate(texts, names.certificates, names.key)
  const roots = parseRoots(texts, names.roots)
  const { crls: crlFile = '' } = names
  const crlText = texts[crlFile]?.trim() ?? ''
  const crls = crlText === '' ? [] : inFile(crlFile, () => Crl.listFromPem(crlText))
  const chain = certificates.filter((one, at) => at === 0 || !roots.some((root) => root.equals(one)))
  const bundle = svid && new TrustBundle(svid.id.trustDomain, { x509Authorities: roots })
  requirePath(chain, roots, names, nowMs, svid?.id)
  return Object.freeze({
    certificates: Object.freeze(chain),
    privateKey,
    svid: svid && new X509Svid(chain),
    ...{ roots, bundle, crls: Object.freeze(crls) },
  })
}

/** A chain with its key. @throws ERR_SECRET_FILES */
export function parseFileCertificate(
  texts: FileTexts,
  certificateFile: string,
  keyFile: string,
): FileCertificate {
  const certificateText = required(texts, certificateFile)
  const keyText = required(texts, keyFile)
  const certificates = inFile(certificateFile, () => Certificate.listFromPem(certificateText))
  const privateKey = inFile(keyFile, () => importPrivateKey(keyText))
  const [leaf] = certificates
  if (leaf === undefined) throw new PkiError('ERR_SECRET_FILES', `${certificateFile} has no certificate`)
  if (!PublicKey.from(privateKey).equals(leaf.publicKey))
    throw new PkiError(
      'ERR_SECRET_FILES',
      `the private key in ${keyFile} does not match the certificate in ${certificateFile} ` +
        `(serial number ${leaf.serialNumber}, valid from ${leaf.notBefore.toISOString()} to ` +
        `${leaf.notAfter.toISOString()})`,
    )
  return { certificates, privateKey, svid: svidOf(certificates) }
}

/** The roots of a file; one that cannot be read is skipped. @throws ERR_SECRET_FILES if none can be read */
export function parseRoots(texts: FileTexts, file: string): readonly Certificate[] {
  const text = required(texts, file)
  // The trust domain is only for messages; this call reads the certificates.
  const { x509Authorities } = inFile(file, () => TrustBundle.fromPem(text, { trustDomain: 'files.invalid' }))
  if (x509Authorities.length > 0) return x509Authorities
  throw new PkiError('ERR_SECRET_FILES', `${file} has no certificate that can be used as a root`)
}

function required(texts: FileTexts, file: string): string {
  const text = texts[file]
  if (text !== undefined && text.trim() !== '') return text
  const found = Object.keys(texts).join(', ')
  throw new PkiError(
    'ERR_SECRET_FILES',
    `${file} is missing or empty; ${found === '' ? 'no file of the set was found' : `found: ${found}`}`,
  )
}

function svidOf(certificates: readonly Certificate[]): X509Svid | undefined {
  try {
    return new X509Svid(certificates)
  } catch (error) {
    if (isPkiError(error)) return undefined
    throw error
  }
}

function requirePath(
  chain: readonly Certificate[],
  roots: readonly Certificate[],
  names: FileNames,
  nowMs: number,
  id: SpiffeId | undefined,
): void {
  const time = new Date(nowMs)
  const [leaf, ...intermediates] = chain as [Certificate, ...Certificate[]]
  const verdict =
    id === undefined
      ? createPathValidator({ anchors: roots }).verify(leaf, { intermediates, time })
      : new X509SvidValidator({
          bundles: new TrustBundle(id.trustDomain, { x509Authorities: roots }),
        }).verify(chain, { id, time })
  if (verdict.ok) return
  throw new PkiError(
    'ERR_SECRET_FILES',
    `${names.certificates} (serial number ${leaf.serialNumber}, valid from ` +
      `${leaf.notBefore.toISOString()} to ${leaf.notAfter.toISOString()}) is refused at ` +
      `${time.toISOString()} with the roots of ${names.roots}: ` +
      (verdict.rejected[0]?.message ?? 'no path to a root'),
  )
}

/** Adds the name of the file to the message of an error. */
function inFile<Result>(name: string, read: () => Result): Result {
  try {
    return read()
  } catch (cause) {
    if (!isPkiError(cause)) throw cause
    throw new PkiError('ERR_SECRET_FILES', `${name}: ${cause.message} (${cause.code})`, { cause })
  }
}
