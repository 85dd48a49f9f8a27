// Whether a text is an IP address. `node:net` says the same and loads a network stack for it.

/** 4, 6, or 0 for what is no address; an IPv6 zone is no part of one. */
export function ipVersion(text: string): 0 | 4 | 6 {
  if (ipv4.test(text)) return 4
  return isIpv6(text) ? 6 : 0
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
  return all.every((group) => /^[0-9a-f]{1,4}$/i.test(group)) && (rest === undefined ? all.length === 8 : all.length <= 7)
}

const octet = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'
const ipv4 = new RegExp(`^(?:${octet}\\.){3}${octet}$`)
