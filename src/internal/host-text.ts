// What a text that names a host is: an IP address, a name of the DNS, a host name, a wildcard.

/** 4, 6, or 0 for what is no address; an IPv6 zone is no part of one. `node:net` says the same and loads a network stack for it. */
export function ipVersion(text: string): 0 | 4 | 6 {
  if (ipv4.test(text)) return 4
  return isIpv6(text) ? 6 : 0
}

/**
 * Whether it can be compared as a name of the DNS, whoever wrote it: 253 characters of labels of 1 to 63 letters, digits, inner hyphens and
 * underscores; no dot at either end, no wildcard (RFC 1034 §3.1, §3.5).
 *
 * An underscore is in no host name and in many a name of the DNS (RFC 2181 §11), also in certificates; refused here, it would be a name that
 * no constraint can judge. A last label that is a number is for the caller to look at, by `ipVersion`, where a host is wanted.
 */
export function isDnsName(name: string): boolean {
  return name.length <= maxNameLength && dnsName.test(name)
}

/**
 * Whether it is a host name as RFC 5280 §4.2.1.6 wants it in certificates: in the "preferred name syntax" of RFC 1034 §3.5 as RFC 1123 §2.1
 * has it, so without underscores (BR 7.1.2.7.12 too); and its last label is no number, or it would be an IP address in the wrong place.
 */
export function isHostName(name: string): boolean {
  return isDnsName(name) && !name.includes('_') && !/(?:^|\.)\d+$/.test(name)
}

/** Whether a certificate may present it as a dNSName: a host name, or one whose whole first label is the wildcard of RFC 9525 §6.3. */
export function isPresentedName(name: string): boolean {
  return name.length <= maxNameLength && isHostName(name.startsWith('*.') ? name.slice(2) : name)
}

/** Whether it is a wildcard that stands for hosts: `*` and at least two labels after it, for over one it would span a registry (BR 3.2.2.6). */
export function isWildcard(name: string): boolean {
  return (
    name.length <= maxNameLength &&
    name.startsWith('*.') &&
    name.indexOf('.', 2) > 0 &&
    isDnsName(name.slice(2))
  )
}

/** RFC 4291 §2.2: eight groups, one run of zeros as `::`, the last 32 bits perhaps as IPv4. */
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
/** RFC 1034 §3.1: 255 octets with the length of each label and the root. */
const maxNameLength = 253
const dnsName = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/i
