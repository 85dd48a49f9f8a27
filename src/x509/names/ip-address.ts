// IP addresses as octets of an iPAddress and as text (RFC 5952).

import { PkiError } from '../../errors/index.ts'
import { ipVersion } from '../../internal/host-text.ts'
import { parseIpAddress } from '../../internal/ip-address.ts'

/** The 4 or 16 octets of a textual address without zone. @throws ERR_NAME_INVALID */
export function ipAddressOctets(text: string): Uint8Array {
  const version = ipVersion(text)
  const octets = version === 0 ? undefined : parseIpAddress(text)
  if (octets === undefined)
    throw new PkiError('ERR_NAME_INVALID', `${JSON.stringify(text)} is not an IP address`)
  return version === 4 ? octets.slice(12) : octets
}

/**
 * Text of 4 or 16 octets; IPv6 with its longest run of zero groups as `::` (RFC 5952).
 * @throws ERR_NAME_INVALID
 */
export function formatIpAddress(address: Uint8Array): string {
  if (address.length === 4) return address.join('.')
  if (address.length !== 16)
    throw new PkiError(
      'ERR_NAME_INVALID',
      `an IP address has ${String(address.length)} octets; expected 4 or 16`,
    )
  const groups = groupsOf(address)
  let best = { start: 0, length: 0 }
  for (let start = 0; start < 8; start++) {
    let length = 0
    while (groups[start + length] === 0) length++
    if (length > best.length) best = { start, length }
  }
  const text = groups.map(hex)
  if (best.length < 2) return text.join(':')
  return `${text.slice(0, best.start).join(':')}::${text.slice(best.start + best.length).join(':')}`
}

function groupsOf(address: Uint8Array): number[] {
  return Array.from(
    { length: address.length / 2 },
    (_, i) => (address[2 * i] as number) * 256 + (address[2 * i + 1] as number),
  )
}

function hex(group: number): string {
  return group.toString(16)
}
