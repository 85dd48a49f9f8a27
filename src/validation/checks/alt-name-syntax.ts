// The syntax of subject alternative names: RFC 5280 §4.2.1.6.

import type { Certificate, GeneralName } from '../../x509/index.ts'
import { reject } from '../rejection.ts'
import type { Rejection } from '../rejection.ts'

/** Every DNS name, email address and URI among the alternative names is one. */
export function checkAltNameSyntax(certificate: Certificate): Rejection | undefined {
  for (const name of certificate.subjectAltName ?? []) {
    if (isWellFormed(name)) continue
    const text = 'value' in name ? JSON.stringify(name.value).slice(0, 300) : ''
    return reject('ERR_PATH_PROFILE', 'RFC 5280 §4.2.1.6', `${text} is no ${name.type} name`, certificate)
  }
  return undefined
}

function isWellFormed(name: GeneralName): boolean {
  switch (name.type) {
    case 'dns':
      return isPreferredName(name.value)
    case 'email':
      return mailbox.test(name.value)
    case 'uri':
      return absoluteUri.test(name.value)
    default:
      return true
  }
}

/**
 * RFC 1034 §3.5 "preferred name syntax" as modified by RFC 1123 §2.1: letters, digits and hyphens. A whole first label may be the
 * wildcard of RFC 9525 §6.3, and the last label is never a number: that is an IP address in the wrong place.
 */
function isPreferredName(value: string): boolean {
  return value.length <= 253 && hostName.test(value)
}

const hostName = /^(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*(?!\d+$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i
/** RFC 2821 mailbox: a dot-string or quoted string, then a domain. */
const mailbox = /^(?:[^\s"(),:;<>@[\\\]]{1,64}|"[^"]{0,62}")@[^\s@]{1,253}$/
/** RFC 3986: a scheme and something after it (§4.2.1.6: "MUST NOT be a relative URI"). */
const absoluteUri = /^[a-z][a-z0-9+.-]*:[^\s]+$/i
