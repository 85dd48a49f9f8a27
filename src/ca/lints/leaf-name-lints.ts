// Lints over the names of a leaf.

import { equalBytes } from '../../internal/bytes.ts'
import { extensionOids } from '../../x509/index.ts'
import type { GeneralName } from '../../x509/index.ts'
import { isDnsName } from './dns-name.ts'
import type { LeafSubject } from './leaf-subject.ts'
import type { Lint } from './run-lints.ts'

/** L20 to L28. */
export const leafNameLints: readonly Lint<LeafSubject>[] = Object.freeze([
  {
    id: 'L20',
    clause: 'RFC 5280 §4.2.1.6, X-3',
    check: ({ certificate }) => {
      const extension = certificate.extension(extensionOids.subjectAltName)
      if (extension === undefined) return 'the subject alternative name is missing'
      return certificate.subject.isEmpty && !extension.critical
        ? 'the subject is empty, and the subject alternative name is not critical'
        : undefined
    },
  },
  {
    id: 'L21',
    clause: 'X-1',
    check: ({ id, names, profile }) => {
      if (profile.spiffeId !== 'absent')
        return id === undefined ? 'the certificate does not have exactly one URI' : undefined
      if (names.some(({ type }) => type === 'uri')) return `profile ${profile.name} allows no URI`
      return names.length === 0 ? 'the certificate has no name' : undefined
    },
  },
  {
    id: 'L22',
    clause: 'ID-1 to ID-7, X-2',
    check: ({ id, profile }) =>
      id?.hasPath === true || profile.spiffeId === 'absent'
        ? undefined
        : 'the URI is not the SPIFFE ID of a workload',
  },
  {
    id: 'L23',
    clause: 'X-4',
    check: ({ id, issuerTrustDomain, profile }) =>
      issuerTrustDomain === undefined ||
      profile.spiffeId === 'absent' ||
      id?.memberOf(issuerTrustDomain) === true
        ? undefined
        : `the identity is not in the CA's trust domain ${issuerTrustDomain.name}`,
  },
  {
    id: 'L24',
    clause: 'invariant I5',
    check: ({ names, wantedNames }) =>
      names.length === wantedNames.length && names.every((name, at) => sameName(name, wantedNames[at]))
        ? undefined
        : 'the names differ from those of the decision',
  },
  {
    id: 'L25',
    clause: 'RFC 5280 §4.2.1.6',
    check: ({ names }) => {
      if (!names.some(({ type }) => type === 'dns')) return undefined
      const hosts = names.flatMap((name) => (name.type === 'dns' ? [name.value] : []))
      if (new Set(hosts).size !== hosts.length) return 'a DNS name occurs twice'
      return hosts.every(isDnsName) ? undefined : 'a DNS name is malformed'
    },
  },
  {
    id: 'L26',
    clause: 'RFC 5280 §4.2.1.6',
    check: ({ names }) => {
      const bad = names.find(({ type }) => type !== 'uri' && type !== 'dns' && type !== 'ip')
      return bad === undefined ? undefined : `a name of type ${bad.type} is not allowed`
    },
  },
  {
    id: 'L27',
    clause: 'profile',
    check: ({ certificate, names, profile }) =>
      names.length <= profile.maxNames && certificate.der.length <= maxOctets
        ? undefined
        : `it has ${names.length} names and ${certificate.der.length} octets; the maximum is ` +
          `${profile.maxNames} names and ${maxOctets} octets`,
  },
  { id: 'L28', clause: 'RFC 5280 §4.1.2.6', check: lintSubjectName },
])

function lintSubjectName({ certificate: { subject } }: LeafSubject): string | undefined {
  if (subject.isEmpty) return undefined
  for (const rdn of subject.rdns) {
    if (rdn.length !== 1) return 'a relative distinguished name has several attributes'
    const [attribute] = rdn
    if (attribute?.value === undefined || attribute.value.length === 0 || attribute.value.length > 64)
      return 'a value is not text of 1 to 64 characters'
    for (let at = 0; at < attribute.value.length; at++)
      if (attribute.value.charCodeAt(at) < 0x20 || attribute.value.charCodeAt(at) === 0x7f)
        return 'the subject has a control character'
  }
  return undefined
}

function sameName(a: GeneralName, b: GeneralName | undefined): boolean {
  if (a.type !== b?.type) return false
  if (a.type === 'ip' && b.type === 'ip') return equalBytes(a.address, b.address)
  return (a.type === 'uri' || a.type === 'dns') && 'value' in b && a.value === b.value
}

const maxOctets = 8 * 1024
