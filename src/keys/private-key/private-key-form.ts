// Detects the form of a private key: by its DER structure, its PEM label, or
// the markers of unsupported formats.

import { readWhole, smallInteger, tags } from '../../der/index.ts'
import type { DerReader } from '../../der/index.ts'
import { PkiError, isPkiError } from '../../errors/index.ts'
import { malformedKey, readingKey } from './malformed-key.ts'

/** PKCS#8 (RFC 5958), plain and encrypted; PKCS#1 (RFC 8017 section A.1.2); SEC 1 (RFC 5915). */
export type PrivateKeyForm = 'PKCS#8' | 'encrypted PKCS#8' | 'PKCS#1' | 'SEC 1'

/** The form that a PEM label names (RFC 7468 sections 10 and 11); undefined for other labels. */
export function formOfLabel(label: string): PrivateKeyForm | undefined {
  return Object.hasOwn(formsByLabel, label) ? formsByLabel[label] : undefined
}

/**
 * The form of DER. The element after the version distinguishes the forms: an AlgorithmIdentifier (RFC 5958
 * section 2), the private key (RFC 5915 section 3), the modulus (RFC 8017 section A.1.2).
 *
 * @throws ERR_KEY_MALFORMED; ERR_KEY_UNSUPPORTED for PKCS#12, DSA and multi-prime RSA
 */
export function formOfDer(der: Uint8Array): PrivateKeyForm {
  return readingKey(() => {
    const reader = readWhole(der, tags.sequence, 'private key')
    const first = reader.next('version')
    if (first === tags.sequence) return formWithoutVersion(reader)
    if (first === tags.oid)
      throw unsupported('a PKCS#7 or CMS file', 'it has certificates and no private key')
    if (first !== tags.integer) throw malformedKey('it does not begin with a version or an algorithm')
    // The modulus of RSAPublicKey (RFC 8017 section A.1.1) is in the place of a version.
    if (reader.content().length > 8) throw malformedKey('it is an RSA public key (PKCS#1)')
    const version = smallInteger(reader, 'version')
    const second = reader.next('the element after the version')
    if (second === tags.octetString) return 'SEC 1'
    if (second === tags.integer) return formOfIntegers(reader, version)
    if (second !== tags.sequence)
      throw malformedKey(`tag 0x${second.toString(16)} follows the version; expected 0x30, 0x04 or 0x02`)
    // RFC 7292 section 4: a PFX has version 3.
    if (version === 3) throw unsupported('a PKCS#12 archive', 'openssl pkcs12 -nocerts -in OLD -out NEW')
    return 'PKCS#8'
  })
}

/** Refuses DER of something else than a private key by its name; returns for every other text. */
export function refuseForeignDer(octets: Uint8Array): void {
  try {
    formOfDer(octets)
  } catch (error) {
    if (!isPkiError(error) || error.code === 'ERR_KEY_UNSUPPORTED') throw error
  }
}

/**
 * Refuses a file in an unsupported format of another tool, and names the format.
 *
 * @throws ERR_KEY_UNSUPPORTED, with the command that converts the file
 */
export function refuseForeignFormat(text: string): void {
  const traditional = traditionalEncryption.exec(text)
  if (traditional !== null) {
    const cipher = traditional[1] ?? 'an unknown cipher'
    throw unsupported(
      `encrypted in the traditional PEM form (Proc-Type, DEK-Info: ${cipher})`,
      'openssl pkcs8 -topk8 -in OLD -out NEW',
    )
  }
  for (const [mark, what, command] of foreignMarks)
    if (text.startsWith(mark)) throw unsupported(what, command)
}

/** ERR_KEY_UNSUPPORTED for the label of another kind of private key. */
export function foreignLabel(label: string): PkiError {
  if (label === 'OPENSSH PRIVATE KEY') {
    return unsupported("in OpenSSH's own format", 'ssh-keygen -p -m PKCS8 -f FILE')
  }
  return unsupported(`labelled ${label}`, 'PKCS#8, PKCS#1 and SEC 1 are supported')
}

/** ERR_KEY_UNSUPPORTED for RSAPrivateKey of version 1 (RFC 8017 section A.1.2). */
export function multiPrime(): PkiError {
  return unsupported('an RSA key with more than two primes', 'RSA keys with two primes are supported')
}

function formWithoutVersion(reader: DerReader): PrivateKeyForm {
  const second = reader.done ? undefined : reader.next('the element after the algorithm')
  if (second === tags.octetString) return 'encrypted PKCS#8'
  if (second === tags.bitString) throw malformedKey('it is a public key (SubjectPublicKeyInfo)')
  // RFC 5280 sections 4.1 and 5.1, RFC 2986 section 4.2: content, algorithm and signature.
  if (second === tags.sequence && reader.optional(tags.bitString, 'signature'))
    throw malformedKey('it is a certificate, a certificate request or a revocation list')
  throw malformedKey('it is not PKCS#8, PKCS#1 or SEC 1')
}

/** PKCS#1 has nine integers, the traditional form of DSA keys six. */
function formOfIntegers(reader: DerReader, version: number): PrivateKeyForm {
  let integers = 2
  while (reader.optional(tags.integer, rsaNumbers[integers - 1] ?? 'an integer')) integers++
  if (integers === 9 && version === 0 && reader.done) return 'PKCS#1'
  if (integers === 6 && reader.done) throw unsupported('a DSA key', 'RSA, EC and Ed25519 keys are supported')
  if (version === 1 && !reader.done) {
    throw multiPrime()
  }
  throw malformedKey(`it has ${integers} integers; PKCS#1 has nine`)
}

function unsupported(what: string, advice: string): PkiError {
  return new PkiError('ERR_KEY_UNSUPPORTED', `the private key is ${what}, which is not supported: ${advice}`)
}

/** RSAPrivateKey after its version (RFC 8017 section A.1.2). */
const rsaNumbers: readonly string[] = [
  ...['modulus', 'publicExponent', 'privateExponent', 'prime1', 'prime2'],
  ...['exponent1', 'exponent2', 'coefficient'],
]
const formsByLabel: Readonly<Record<string, PrivateKeyForm>> = {
  'PRIVATE KEY': 'PKCS#8',
  'ENCRYPTED PRIVATE KEY': 'encrypted PKCS#8',
  'RSA PRIVATE KEY': 'PKCS#1',
  'EC PRIVATE KEY': 'SEC 1',
}

/** RFC 1421 section 4.6.1, as written by OpenSSL and `ssh-keygen -m PEM`. */
const traditionalEncryption = new RegExp(
  '-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY-----\\s*\\r?\\n' +
    'Proc-Type:\\s*4,ENCRYPTED\\s*\\r?\\n' +
    '(?:DEK-Info:\\s*([A-Za-z0-9-]{1,32}))?',
)

/** The first octets of other files with private keys, as latin-1. */
const foreignMarks: readonly (readonly [mark: string, what: string, command: string])[] = [
  ['\xfe\xed\xfe\xed', 'a Java key store (JKS)', keytoolCommand()],
  ['\xce\xce\xce\xce', 'a Java key store (JCEKS)', keytoolCommand()],
  ['PuTTY-User-Key-File-', 'a PuTTY key', 'puttygen OLD -O private-openssh-new -o NEW'],
  ['openssh-key-v1\0', "in OpenSSH's own format", 'ssh-keygen -p -m PKCS8 -f FILE'],
]

function keytoolCommand(): string {
  return (
    'keytool -importkeystore -srckeystore OLD -destkeystore NEW.p12 -deststoretype pkcs12, then ' +
    'openssl pkcs12'
  )
}
