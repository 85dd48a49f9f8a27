// CA material that somebody else made, in the files that Istio and Kubernetes name.

import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { PkiError, isPkiError } from '../errors/index.ts'
import { SoftwareSigner, importPrivateKey } from '../keys/index.ts'
import { Certificate } from '../x509/index.ts'
import type { CaCredential } from './ca-certificate.ts'

/** A signing certificate with its key, its issuers and the roots. */
export interface CaMaterial extends CaCredential {
  /** The private key of the file, in memory. */
  readonly signer: SoftwareSigner
  /** Issuers of the certificate, the nearest first, without roots. */
  readonly chain: readonly Certificate[]
  /** The anchors that the chain leads to. */
  readonly roots: readonly Certificate[]
}

/** Files by name, as text; absent ones are undefined. */
export type CaFiles = Readonly<Record<string, string | undefined>>

/**
 * Reads a directory with `ca-cert.pem`, `ca-key.pem`, `cert-chain.pem`, `root-cert.pem`, or with `tls.crt`, `tls.key`, `ca.crt`; of both, the latter if
 * there is a `tls.crt`.
 *
 * @returns undefined where there is none of the files: run a self-signed CA.
 * @throws ERR_CA_MATERIAL when some are there and some are missing or cannot be read, or when they do not belong together
 * @example
 * ```ts
 * const material = await readPluggedInMaterial('/etc/cacerts')
 * if (material !== undefined) createCertificateAuthority({ trustDomain: 'example.org', ...material })
 * ```
 */
export async function readPluggedInMaterial(directory: string): Promise<CaMaterial | undefined> {
  const files: Record<string, string> = {}
  let at = directory
  try {
    const present = new Set(await readdir(directory))
    for (const name of [...istioNames, ...kubernetesNames]) {
      if (!present.has(name)) continue
      at = join(directory, name)
      files[name] = await readFile(at, 'latin1')
    }
  } catch (cause) {
    const { code } = cause as { readonly code?: unknown }
    if (code === 'ENOENT' && at === directory) return undefined
    // What is there and cannot be read is no reason to run another CA than the one that was meant.
    throw new PkiError(
      'ERR_CA_MATERIAL',
      `${at} cannot be read: ${typeof code === 'string' ? code : 'unknown reason'}`,
      { cause },
    )
  }
  return parsePluggedInMaterial(files)
}

/**
 * The same from texts.
 *
 * @throws ERR_CA_MATERIAL, which names the file at fault; its `cause` is what is wrong in it; ERR_INVALID_ARGUMENT for what are no files
 */
export function parsePluggedInMaterial(files: CaFiles): CaMaterial | undefined {
  if (typeof (files as unknown) !== 'object' || (files as unknown) === null)
    throw new PkiError('ERR_INVALID_ARGUMENT', 'the files are texts by their names')
  // A `tls.crt` decides, as in Istio; part of such a Secret, with nothing of the other layout beside it, is one as well: it is incomplete.
  const isKubernetes = files['tls.crt'] !== undefined || istioNames.every((name) => files[name] === undefined)
  const names = isKubernetes ? kubernetesNames : istioNames
  if (names.every((name) => files[name] === undefined)) return undefined
  const required = (name: string): string => {
    const text = files[name]
    if (text !== undefined && text.trim() !== '') return text
    const found = names.filter((other) => files[other] !== undefined)
    throw new PkiError(
      'ERR_CA_MATERIAL',
      `incomplete CA material: ${found.join(', ')} found, ${name} is missing or empty`,
    )
  }
  const [certificateFile, keyFile, rootFile] = isKubernetes
    ? kubernetesNames
    : [istioNames[0], istioNames[1], istioNames[3]]
  // What is missing is said before what is in the others.
  const [certificateText, keyText, rootText] = [
    required(certificateFile),
    required(keyFile),
    required(rootFile),
  ]
  // A text without any is no PEM.
  const [certificate, ...below] = inFile(
    certificateFile,
    () => Certificate.listFromPem(certificateText) as [Certificate, ...Certificate[]],
  )
  const signer = inFile(keyFile, () => new SoftwareSigner(importPrivateKey(keyText), { id: keyFile }))
  const roots = inFile(rootFile, () => Certificate.listFromPem(rootText))
  if (certificate.basicConstraints?.ca !== true)
    throw new PkiError('ERR_CA_MATERIAL', `${certificateFile} holds no CA certificate (RFC 5280 §4.2.1.9)`)
  if (!certificate.publicKey.equals(signer.publicKey))
    throw new PkiError('ERR_CA_MATERIAL', `${keyFile} holds another key than the one of ${certificateFile}`)
  const chainText = isKubernetes ? '' : (files['cert-chain.pem'] ?? '')
  const listed =
    chainText.trim() === '' ? [] : inFile('cert-chain.pem', () => Certificate.listFromPem(chainText))
  return { certificate, signer, roots, chain: orderedIssuers(certificate, [...below, ...listed], roots) }
}

/** Whoever mounted four files wants to know which of them it is. */
function inFile<Result>(name: string, read: () => Result): Result {
  try {
    return read()
  } catch (cause) {
    if (!isPkiError(cause)) throw cause
    throw new PkiError('ERR_CA_MATERIAL', `${name}: ${cause.message} (${cause.code})`, { cause })
  }
}

/** cert-chain.pem may repeat the signing certificate and the root: what is left is put into order by name and signature. */
function orderedIssuers(
  certificate: Certificate,
  candidates: readonly Certificate[],
  roots: readonly Certificate[],
): Certificate[] {
  const chain: Certificate[] = []
  let child = certificate
  const isRoot = (candidate: Certificate): boolean => roots.some((root) => root.equals(candidate))
  while (!isRoot(child) && !roots.some((root) => signedBy(child, root))) {
    const issuer = candidates.find(
      (candidate) =>
        !isRoot(candidate) && candidate !== child && !chain.includes(candidate) && signedBy(child, candidate),
    )
    if (issuer === undefined || chain.length >= maxChain) {
      throw new PkiError(
        'ERR_CA_MATERIAL',
        `${child.subject.toString()} is signed by none of the roots and by nothing in the chain`,
      )
    }
    chain.push(issuer)
    child = issuer
  }
  return chain
}

function signedBy(child: Certificate, issuer: Certificate): boolean {
  return child.issuer.equals(issuer.subject) && child.verifySignatureBy(issuer.publicKey)
}

const maxChain = 10
const istioNames = ['ca-cert.pem', 'ca-key.pem', 'cert-chain.pem', 'root-cert.pem'] as const
const kubernetesNames = ['tls.crt', 'tls.key', 'ca.crt'] as const
