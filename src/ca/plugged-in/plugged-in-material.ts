// CA material made by other tools, in files with the names that Istio and Kubernetes use.

import { PkiError, isPkiError } from '../../errors/index.ts'
import { readMountedFiles } from '../../internal/files/mounted-files.ts'
import { nameOf } from '../../internal/options.ts'
import { SoftwareSigner, importPrivateKey } from '../../keys/index.ts'
import { describeCertificate } from '../../validation/internal.ts'
import { createPathValidator } from '../../validation/path-validator.ts'
import { Certificate } from '../../x509/index.ts'
import type { CaCredential } from '../authority/ca-certificate.ts'
import { withoutTolerances } from '../authority/signing-material.ts'

/** A signing certificate with its key, its issuers and the roots. */
export interface CaMaterial extends CaCredential {
  /** The private key of the file, in memory. */
  readonly signer: SoftwareSigner
  /**
   * Every other certificate of the files, each once, without roots: first those of a currently valid path,
   * from the nearest on. `createCertificateAuthority` chooses the path that is valid for its leaves. Frozen.
   */
  readonly chain: readonly Certificate[]
  /** The certificates of the file of roots, each once. Frozen. */
  readonly roots: readonly Certificate[]
}

/** Files by name, as text; absent ones are undefined. @inline */
export type CaFiles = Readonly<Record<string, string | undefined>>

/**
 * Reads a directory with `ca-cert.pem`, `ca-key.pem`, `cert-chain.pem`, `root-cert.pem`, or with `tls.crt`,
 * `tls.key`, `ca.crt`; if both sets exist, the second one is used. All files are of one generation even if
 * the directory changes meanwhile: in a volume of Kubernetes they are read from the directory that `..data`
 * refers to.
 *
 * @returns undefined if none of the files exists; then use a self-signed CA.
 * @throws ERR_CA_MATERIAL if some of the files are missing or cannot be read, if they do not belong together,
 *   or if they change continuously
 * @example
 * ```ts
 * const material = await readPluggedInMaterial('/etc/cacerts')
 * if (material !== undefined) createCertificateAuthority({ trustDomain: 'example.org', ...material })
 * ```
 */
export async function readPluggedInMaterial(directory: string): Promise<CaMaterial | undefined> {
  return parsePluggedInMaterial(
    await readMountedFiles(directory, [...istioNames, ...kubernetesNames], 'ERR_CA_MATERIAL'),
  )
}

/**
 * Like `readPluggedInMaterial`, from the texts of the files.
 *
 * @throws ERR_CA_MATERIAL, which names the file at fault; its `cause` has the fault in the file;
 *   ERR_INVALID_ARGUMENT for a value other than files
 */
export function parsePluggedInMaterial(files: CaFiles): CaMaterial | undefined {
  if (typeof (files as unknown) !== 'object' || (files as unknown) === null)
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'parsePluggedInMaterial: files must be an object with the text of each file by its name, ' +
        `found ${nameOf(files)}`,
    )
  requireTexts(files)
  // A `tls.crt` selects this layout, as in Istio. A part of such a Secret without any file of the other
  // layout also selects it, and is then reported as incomplete.
  const isKubernetes = files['tls.crt'] !== undefined || istioNames.every((name) => files[name] === undefined)
  const names = isKubernetes ? kubernetesNames : istioNames
  if (names.every((name) => files[name] === undefined)) return undefined
  const required = (name: string): string => {
    const text = files[name]
    if (text !== undefined && text.trim() !== '') return text
    const found = names.filter((other) => other !== name && files[other] !== undefined).join(', ')
    const fault = text === undefined ? 'missing' : 'empty'
    throw new PkiError('ERR_CA_MATERIAL', `incomplete CA material: ${found} found, ${name} is ${fault}`)
  }
  const [certificateFile, keyFile, rootFile] = isKubernetes
    ? kubernetesNames
    : [istioNames[0], istioNames[1], istioNames[3]]
  // Missing files are reported before faults in the others.
  const [certificateText, keyText, rootText] = [
    required(certificateFile),
    required(keyFile),
    required(rootFile),
  ]
  // Not empty: `listFromPem` throws for a text without a certificate.
  const [certificate, ...below] = inFile(
    certificateFile,
    () => Certificate.listFromPem(certificateText) as [Certificate, ...Certificate[]],
  )
  const signer = inFile(keyFile, () => new SoftwareSigner(importPrivateKey(keyText), { id: keyFile }))
  const roots = inFile(rootFile, () => unique(Certificate.listFromPem(rootText)))
  // Other messages give them as text.
  inFile(certificateFile, () => void [certificate.subject.rdns, certificate.issuer.rdns])
  if (inFile(certificateFile, () => certificate.basicConstraints?.ca) !== true)
    throw new PkiError(
      'ERR_CA_MATERIAL',
      `${certificateFile} has no CA certificate (RFC 5280 §4.2.1.9): ${describeCertificate(certificate)}`,
    )
  if (!certificate.publicKey.equals(signer.publicKey))
    throw new PkiError(
      'ERR_CA_MATERIAL',
      `the private key in ${keyFile} does not match the certificate in ${certificateFile}: ` +
        describeCertificate(certificate),
    )
  const chainText = isKubernetes ? '' : (files['cert-chain.pem'] ?? '')
  const listed =
    chainText.trim() === '' ? [] : inFile('cert-chain.pem', () => Certificate.listFromPem(chainText))
  const candidates = unique([...below, ...listed]).filter(
    (one) => !one.equals(certificate) && !roots.some((root) => root.equals(one)),
  )
  const chain = roots.some((root) => root.equals(certificate))
    ? []
    : issuersOf(certificate, candidates, roots, rootFile)
  return Object.freeze({ certificate, signer, roots: Object.freeze(roots), chain: Object.freeze(chain) })
}

/** Adds the name of the file to the message of an error. */
function inFile<Result>(name: string, read: () => Result): Result {
  try {
    return read()
  } catch (cause) {
    if (!isPkiError(cause)) throw cause
    throw new PkiError('ERR_CA_MATERIAL', `${name}: ${withoutTolerances(cause.message)} (${cause.code})`, {
      cause,
    })
  }
}

/**
 * The candidates, first those on a currently valid path to a root. Only the CA can choose among several
 * paths: a path length or name constraint may allow the CA and not its leaves. Material that is not valid yet
 * may be meant for a later time.
 *
 * @throws ERR_CA_MATERIAL if there is no path that is valid at any time
 */
function issuersOf(
  certificate: Certificate,
  candidates: readonly Certificate[],
  roots: readonly Certificate[],
  rootFile: string,
): readonly Certificate[] {
  const validator = inFile(rootFile, () => createPathValidator({ anchors: roots, profile: 'spiffe' }))
  const verdict = validator.verify(certificate, { intermediates: candidates })
  if (verdict.ok) {
    const path = verdict.path.certificates.slice(1).filter((one) => !roots.some((root) => root.equals(one)))
    return unique([...path, ...candidates])
  }
  if (verdict.rejected.some(({ code }) => code === 'ERR_PATH_EXPIRED' || code === 'ERR_PATH_NOT_YET_VALID'))
    return candidates
  const { message = '', certificate: faulty = certificate } = verdict.rejected[0] ?? {}
  throw new PkiError(
    'ERR_CA_MATERIAL',
    `no path leads from ${certificate.subject.toString()} through the certificates found to a root: ` +
      `${withoutTolerances(message)}; certificate ${describeCertificate(faulty)}`,
  )
}

function unique(certificates: readonly Certificate[]): Certificate[] {
  return certificates.filter((one, at) => certificates.findIndex((other) => other.equals(one)) === at)
}

const istioNames = ['ca-cert.pem', 'ca-key.pem', 'cert-chain.pem', 'root-cert.pem'] as const
const kubernetesNames = ['tls.crt', 'tls.key', 'ca.crt'] as const

/** @throws ERR_INVALID_ARGUMENT for a file that is not a text */
function requireTexts(files: CaFiles): void {
  for (const name of [...istioNames, ...kubernetesNames]) {
    const text: unknown = files[name]
    if (text !== undefined && typeof text !== 'string')
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `parsePluggedInMaterial: ${name} must be the text of a file, found ${nameOf(text)}`,
      )
  }
}
