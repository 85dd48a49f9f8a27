// The token between lint and signature: these bytes, by this CA, once.

import { PkiError } from '../errors/index.ts'
import { serialNumberFromBytes } from '../x509/index.ts'
import type { SerialNumber } from '../x509/index.ts'
import type { PreparedCertificate } from './issued-certificate.ts'

/** Only its CA can make one that its CA will sign: the private field cannot be forged, and is cleared at its first use. */
export class PreparedToken implements PreparedCertificate {
  readonly serialNumber: SerialNumber
  readonly tbs: Uint8Array
  readonly #notAfterMs: number
  #issuer: object | undefined

  constructor(issuer: object, fields: { readonly serialNumber: Uint8Array, readonly tbs: Uint8Array, readonly notAfterMs: number }) {
    this.serialNumber = serialNumberFromBytes(fields.serialNumber)
    this.tbs = fields.tbs
    this.#notAfterMs = fields.notAfterMs
    this.#issuer = issuer
  }

  get notAfter(): Date {
    return new Date(this.#notAfterMs)
  }

  /** The bytes, if `prepared` is of this issuer and was not used. @throws ERR_INVALID_ARGUMENT */
  static use(prepared: PreparedCertificate, issuer: object): Uint8Array {
    if (!(#issuer in prepared) || prepared.#issuer !== issuer) {
      throw new PkiError('ERR_INVALID_ARGUMENT', 'these bytes were not prepared by this CA, or were signed already')
    }
    prepared.#issuer = undefined
    return prepared.tbs
  }
}
