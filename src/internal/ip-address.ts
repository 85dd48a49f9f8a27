// IP addresses and networks as octets (RFC 4291, RFC 4632), with IPv4 in its mapped form, so that both
// spellings are one address.

import { PkiError } from '../errors/index.ts'
import { ipVersion } from './host-text.ts'

/** A network: the first `bits` of 128. */
export interface IpNetwork {
  readonly octets: Uint8Array
  readonly bits: number
}

/**
 * The 16 octets of an address, IPv4 as `::ffff:a.b.c.d`; undefined if the text is not an address. A zone
 * (`%eth0`) is cut off.
 */
export function parseIpAddress(text: string): Uint8Array | undefined {
  const zone = text.indexOf('%')
  const address = zone < 0 ? text : text.slice(0, zone)
  const version = ipVersion(address)
  if (version === 0) return undefined
  const octets = new Uint8Array(16)
  if (version === 4) {
    octets[10] = octets[11] = 0xff
    writeIpv4(octets, address)
    return octets
  }
  const [head = '', rest] = withoutDots(address).split('::')
  const left = groups(head)
  const right = rest === undefined ? [] : groups(rest)
  for (const [at, group] of left.entries()) writeGroup(octets, at, group)
  for (const [at, group] of right.entries()) writeGroup(octets, 8 - right.length + at, group)
  return octets
}

/**
 * A network of `address/length`; a bare address is a network of one.
 *
 * @throws ERR_INVALID_ARGUMENT not an address, a length that does not fit, or bits set after the prefix
 * length
 */
export function parseIpNetwork(text: string): IpNetwork {
  const [address = '', length, ...more] = typeof text === 'string' ? text.split('/') : ['']
  const octets = parseIpAddress(address)
  const widest = ipVersion(address) === 4 ? 32 : 128
  const given = length === undefined ? widest : /^(?:0|[1-9]\d{0,2})$/.test(length) ? Number(length) : -1
  if (octets === undefined || more.length > 0 || address.includes('%') || given < 0 || given > widest)
    throw notNetwork(text, 'expected an IP address, a slash and a prefix length')
  const bits = given + 128 - widest
  // 10.1.2.3/8 could mean the one address or the whole network: a reader of the file cannot tell.
  if (octets.some((octet, at) => (octet & ~mask(at, bits)) !== 0))
    throw notNetwork(text, 'the address has bits after the prefix length')
  return { octets, bits }
}

/** Whether an address, as `parseIpAddress` gives it, is in a network. */
export function isInNetwork(address: Uint8Array, { octets, bits }: IpNetwork): boolean {
  for (let at = 0; at * 8 < bits; at++)
    if ((((address[at] as number) ^ (octets[at] as number)) & mask(at, bits)) !== 0) return false
  return true
}

/**
 * The source of an address: an IPv4 address, also in IPv6-mapped form; the /64 prefix of an IPv6 address,
 * since one host often owns all of it; the text itself if it is not an address.
 */
export function sourceOfAddress(address: string): string {
  const bare = address.split('%', 1)[0] as string // fe80::1%eth0
  const octets = parseIpAddress(bare)
  if (octets === undefined) return bare.slice(0, 64)
  if (ipv4Prefix.every((octet, at) => octets[at] === octet)) return octets.subarray(12).join('.')
  const prefix = [0, 2, 4, 6].map((at) => Buffer.from(octets).readUInt16BE(at).toString(16))
  return `${prefix.join(':')}::/64`
}

function mask(at: number, bits: number): number {
  const left = bits - at * 8
  if (left >= 8) return 0xff
  return left <= 0 ? 0 : (0xff << (8 - left)) & 0xff
}

function writeIpv4(octets: Uint8Array, text: string): void {
  for (const [at, octet] of text.split('.').entries()) octets[12 + at] = Number(octet)
}

function writeGroup(octets: Uint8Array, at: number, group: string): void {
  const value = Number.parseInt(group, 16)
  octets[at * 2] = value >> 8
  octets[at * 2 + 1] = value & 0xff
}

function groups(part: string): readonly string[] {
  return part === '' ? [] : part.split(':')
}

/** The last 32 bits, where they are written as IPv4, as two groups. */
function withoutDots(address: string): string {
  const colon = address.lastIndexOf(':')
  const tail = address.slice(colon + 1)
  if (!tail.includes('.')) return address
  const [a = 0, b = 0, c = 0, d = 0] = tail.split('.').map(Number)
  return `${address.slice(0, colon + 1)}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
}

function notNetwork(text: unknown, wanted: string): PkiError {
  return new PkiError(
    'ERR_INVALID_ARGUMENT',
    `${typeof text === 'string' ? JSON.stringify(text.slice(0, 64)) : typeof text} ` +
      `is not a network: ${wanted}`,
  )
}

const ipv4Prefix = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]
