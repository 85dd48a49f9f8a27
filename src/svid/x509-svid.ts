// An X.509-SVID as its holder has it: certificates, leaf first, and what identifies it. X509-SVID.md.

import { PkiError } from '../errors/index.ts'
import type { SpiffeId } from '../spiffe/index.ts'
import { Certificate } from '../x509/index.ts'
import type { CertificateInput } from '../x509/index.ts'
import { readSvidLeaf } from './svid-leaf-rules.ts'

/** The certificates of an X.509-SVID. The private key stays with its `Signer` or `KeyObject`. */
export class X509Svid {
  readonly id: SpiffeId
  /** Leaf first, then its issuers, without the root. */
  readonly certificates: readonly Certificate[]

  /** @throws ERR_SVID_LEAF for a leaf that breaks a rule of; as `Certificate.from` */
  constructor(certificates: readonly CertificateInput[]) {
    this.certificates = Object.freeze(certificates.map((input) => Certificate.from(input)))
    const [leaf] = this.certificates
    if (leaf === undefined) throw new PkiError('ERR_SVID_LEAF', 'no certificate where an X.509-SVID is wanted')
    const read = readSvidLeaf(leaf)
    if ('fault' in read) throw new PkiError('ERR_SVID_LEAF', `${read.fault.message} (${read.fault.rule})`)
    this.id = read.id
  }

  /** From a PEM text of several blocks. @throws as the constructor; ERR_PEM */
  static fromPem(pem: string | Uint8Array): X509Svid {
    return new X509Svid(Certificate.listFromPem(pem))
  }

  get leaf(): Certificate {
    return this.certificates[0] as Certificate
  }

  /** Leaf first, one block each: what TLS servers and files take. */
  toPem(): string {
    return this.certificates.map((certificate) => certificate.toPem()).join('')
  }
}
