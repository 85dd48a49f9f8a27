// The syntax of subject alternative names: RFC 5280 §4.2.1.6.

import { ipVersion, isHostName, isPresentedName } from '../../internal/host-text.ts'
import type { Certificate, GeneralName } from '../../x509/index.ts'
import { reject } from '../verdict/rejection.ts'
import type { Rejection } from '../verdict/rejection.ts'

/** Refuses a DNS name, email address or URI that is malformed. */
export function checkAltNameSyntax(certificate: Certificate): Rejection | undefined {
  for (const name of certificate.subjectAltName ?? []) {
    if (isWellFormed(name)) continue
    const text = 'value' in name ? JSON.stringify(name.value).slice(0, 300) : ''
    return reject(
      'ERR_PATH_PROFILE',
      'RFC 5280 §4.2.1.6',
      `${text} is not a valid ${name.type} name`,
      certificate,
    )
  }
  return undefined
}

function isWellFormed(name: GeneralName): boolean {
  switch (name.type) {
    case 'dns':
      return isPresentedName(name.value)
    case 'email':
      return isMailbox(name.value)
    case 'uri':
      return isAbsoluteUri(name.value)
    default:
      return true
  }
}

/** RFC 2821 §4.1.2: a dot-string or quoted string, then a domain or an address in brackets. */
function isMailbox(value: string): boolean {
  const at = value.lastIndexOf('@')
  const domain = value.slice(at + 1)
  if (at < 1 || at > 64 || !localPart.test(value.slice(0, at))) return false
  if (domain.startsWith('['))
    return domain.endsWith(']') && ipVersion(domain.slice(1, -1).replace(/^IPv6:/i, '')) !== 0
  return isHostName(domain)
}

const localPart = /^(?:[^\s"(),.:;<>@[\\\]]+(?:\.[^\s"(),.:;<>@[\\\]]+)*|"(?:[^"\\]|\\.)*")$/

/** §4.2.1.6: no relative URI, and one with an authority has a host in it. */
function isAbsoluteUri(value: string): boolean {
  const authority = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(value)?.[1]
  if (authority === undefined) return /^[a-z][a-z0-9+.-]*:[^\s]+$/i.test(value)
  const host = authority.slice(authority.lastIndexOf('@') + 1).replace(/:\d*$/, '')
  return host.startsWith('[')
    ? host.endsWith(']') && ipVersion(host.slice(1, -1)) === 6
    : host !== '' && !host.includes(':')
}
