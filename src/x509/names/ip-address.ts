// IP addresses between octets and text: RFC 5952 out, what node:net accepts in.

import { PkiError } from '../../errors/index.ts'
import { ipVersion } from '../../internal/ip-text.ts'

/** 4 or 16 octets of a textual address, without zone. @throws ERR_NAME_INVALID */
export function parseIpAddress(text: string): Uint8Array {
  if (ipVersion(text) === 4) return Uint8Array.from(text.split('.'), Number)
  if (ipVersion(text) !== 6 || text.includes('%')) throw new PkiError('ERR_NAME_INVALID', `${JSON.stringify(text)} is no IP address`)
  const dotted = /^(.*:)([0-9]+\.[0-9]+\.[0-9]+\.[0-9]+)$/.exec(text)
  const plain = dotted === null ? text : `${dotted[1] as string}${groupsOf(parseIpAddress(dotted[2] as string)).map(hex).join(':')}`
  const [head = '', tail] = plain.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const groups = [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right]
  return Uint8Array.from(groups.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff]))
}

/** Text of 4 or 16 octets; IPv6 with its longest run of zero groups as `::` (RFC 5952). */
export function formatIpAddress(address: Uint8Array): string {
  if (address.length === 4) return address.join('.')
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
  return Array.from({ length: address.length / 2 }, (_, i) => (address[2 * i] as number) * 256 + (address[2 * i + 1] as number))
}

function hex(group: number): string {
  return group.toString(16)
}
