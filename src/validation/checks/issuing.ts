// Whether a certificate may issue others: RFC 5280 §6.1.4 (k), (n), and pathLenConstraint (l), (m).

import type { Certificate } from '../../x509/index.ts'
import { reject } from '../rejection.ts'
import type { Rejection } from '../rejection.ts'

/** A CA of version 3 whose key usage, where present, lets it sign certificates. */
export function checkMayIssue(certificate: Certificate): Rejection | undefined {
  if (certificate.version !== 3) return reject('ERR_PATH_NOT_CA', 'RFC 5280 §6.1.4 (k)', `a certificate of version ${certificate.version} issues others`, certificate)
  if (certificate.basicConstraints?.ca !== true) {
    return reject('ERR_PATH_NOT_CA', 'RFC 5280 §6.1.4 (k)', 'basic constraints do not say that the subject is a CA', certificate)
  }
  const { keyUsage } = certificate
  if (keyUsage !== undefined && !keyUsage.has('keyCertSign')) {
    return reject('ERR_PATH_NOT_CA', 'RFC 5280 §6.1.4 (n)', `key usage is ${keyUsage.toString()}; keyCertSign is wanted`, certificate)
  }
  return undefined
}

/** `below`: intermediate certificates between this one and the leaf, self-issued ones not counted. */
export function checkPathLength(certificate: Certificate, below: number): Rejection | undefined {
  const limit = certificate.basicConstraints?.pathLength
  if (limit === undefined || below <= limit) return undefined
  return reject('ERR_PATH_LENGTH', 'RFC 5280 §6.1.4 (l)', `pathLenConstraint is ${limit} and ${below} intermediate certificates follow`, certificate)
}
