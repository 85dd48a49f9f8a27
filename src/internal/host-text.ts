// Which kind of host a text names: an IP address, a DNS name, a host name or a wildcard.

/**
 * 4, 6, or 0 if the text is not an IP address; an IPv6 zone is not accepted. Equivalent to `node:net` `isIP`,
 * which would load a network stack.
 */
export function ipVersion(text: string): 0 | 4 | 6 {
  if (ipv4.test(text)) return 4
  return isIpv6(text) ? 6 : 0
}

/**
 * Whether the text can be compared as a DNS name: 253 characters of labels with 1 to 63 letters, digits,
 * inner hyphens and underscores; no dot at either end, no wildcard (RFC 1034 §3.1, §3.5).
 *
 * Underscores are not valid in host names but occur in DNS names (RFC 2181 §11), including names in
 * certificates. Refusing them would leave such names outside name constraints. A numeric last label is not
 * checked: a caller that expects a host checks it by `ipVersion`.
 */
export function isDnsName(name: string): boolean {
  return name.length <= maxNameLength && dnsName.test(name)
}

/**
 * Whether the text is a host name as RFC 5280 §4.2.1.6 requires: the "preferred name syntax" of RFC 1034 §3.5
 * as changed by RFC 1123 §2.1, without underscores (BR 7.1.2.7.12). The last label is not numeric, so that an
 * IP address is not taken for a name.
 */
export function isHostName(name: string): boolean {
  return isDnsName(name) && !name.includes('_') && !/(?:^|\.)\d+$/.test(name)
}

/**
 * Whether a certificate may contain the text as dNSName: a host name, or one
 * whose first label is the wildcard of RFC 9525 §6.3.
 */
export function isPresentedName(name: string): boolean {
  return name.length <= maxNameLength && isHostName(name.startsWith('*.') ? name.slice(2) : name)
}

/**
 * Whether the text is a wildcard for hosts: `*` and at least two labels, because a wildcard over one label
 * would cover a registry (BR 3.2.2.6).
 */
export function isWildcard(name: string): boolean {
  return (
    name.length <= maxNameLength &&
    name.startsWith('*.') &&
    name.indexOf('.', 2) > 0 &&
    isDnsName(name.slice(2))
  )
}

/** RFC 4291 §2.2: eight groups, at most one run of zeros as `::`, the last 32 bits optionally as IPv4. */
function isIpv6(text: string): boolean {
  if (text.length > 45 || !text.includes(':')) return false
  const lastColon = text.lastIndexOf(':')
  const tail = text.slice(lastColon + 1)
  const dotted = tail.includes('.')
  if (dotted && !ipv4.test(tail)) return false
  const [head = '', rest, ...more] = (dotted ? `${text.slice(0, lastColon + 1)}0:0` : text).split('::')
  if (more.length > 0) return false
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'))
  const all = [...groups(head), ...groups(rest ?? '')]
  return (
    all.every((group) => /^[0-9a-f]{1,4}$/i.test(group)) &&
    (rest === undefined ? all.length === 8 : all.length <= 7)
  )
}

const octet = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'
const ipv4 = new RegExp(`^(?:${octet}\\.){3}${octet}$`)
/** RFC 1034 §3.1: 255 octets, including the length octets of the labels and the root. */
const maxNameLength = 253
const dnsName = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/i
