// Why a path, or one certificate of it, was refused: data first, text second.

import type { PkiErrorCode } from '../errors/index.ts'
import type { Certificate } from '../x509/index.ts'

/** The first check that a certificate or a path failed. */
export interface Rejection {
  readonly code: PkiErrorCode
  /** The certificate at fault; undefined when the fault is the path's as a whole. */
  readonly certificate: Certificate | undefined
  /** The clause that was broken: `RFC 5280 §6.1.3 (a)(2)`, `X-12`. */
  readonly rule: string
  /** What was found and what was wanted. */
  readonly message: string
}
