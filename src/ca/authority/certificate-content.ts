// The content of a certificate to issue, which is checked and copied once.

import { PkiError } from '../../errors/index.ts'
import { readOptions } from '../../internal/options.ts'
import type { DistinguishedName, GeneralName } from '../../x509/index.ts'
import type { CertificateContent } from './issued-certificate.ts'

/** Content that was already read and copied; other layers do not copy it again. */
export class FrozenContent implements CertificateContent {
  readonly #read = true
  readonly subjectAltName: readonly GeneralName[]
  readonly subject: DistinguishedName | undefined
  readonly ttlSeconds: number | undefined
  readonly maxTtlSeconds: number | undefined

  /** Copies the names: they are used after the asynchronous proof of possession. */
  constructor({ subjectAltName, subject, ttlSeconds, maxTtlSeconds }: CertificateContent) {
    this.subjectAltName = Object.freeze(subjectAltName.map(copyName))
    this.subject = subject
    this.ttlSeconds = ttlSeconds
    this.maxTtlSeconds = maxTtlSeconds
    Object.freeze(this)
  }

  static is(value: unknown): value is FrozenContent {
    return typeof value === 'object' && value !== null && #read in value && value.#read
  }
}

/** @throws ERR_INVALID_ARGUMENT */
export function readContent(caller: string, content: CertificateContent): FrozenContent {
  if (FrozenContent.is(content)) return content
  const read = readOptions(caller, content, {
    subjectAltName: 'required',
    subject: 'optional',
    ttlSeconds: 'optional',
    maxTtlSeconds: 'optional',
  })
  const { subjectAltName } = read
  if (!Array.isArray(subjectAltName))
    throw new PkiError('ERR_INVALID_ARGUMENT', `${caller}: subjectAltName must be an array of names`)
  return new FrozenContent(read)
}

function copyName(name: GeneralName): GeneralName {
  return Object.freeze(name.type === 'ip' ? { ...name, address: new Uint8Array(name.address) } : { ...name })
}
