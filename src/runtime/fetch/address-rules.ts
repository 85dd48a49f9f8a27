// Which addresses may be connected to when a URL comes from configuration or from a remote document: public
// addresses, and networks allowed by configuration.

import { isInNetwork, parseIpAddress, parseIpNetwork } from '../../internal/ip-address.ts'
import type { IpNetwork } from '../../internal/ip-address.ts'

/** Whether an address may be connected to. `allowed` takes precedence over the block-list. */
export function isAddressAllowed(address: string, allowed: readonly IpNetwork[]): boolean {
  const octets = parseIpAddress(address)
  if (octets === undefined) return false
  if (allowed.some((network) => isInNetwork(octets, network))) return true
  return isPublic(octets, allowed)
}

function isPublic(octets: Uint8Array, allowed: readonly IpNetwork[]): boolean {
  rules ??= {
    mapped: parseIpNetwork('::ffff:0:0/96'),
    translated: parseIpNetwork('64:ff9b::/96'),
    global: parseIpNetwork('2000::/3'),
    blocked: blockedNetworks.map((network) => parseIpNetwork(network)),
  }
  // RFC 6052 §3.1: a NAT64 address is translated to the IPv4 address inside it, so that address is checked.
  if (isInNetwork(octets, rules.translated)) {
    const inner = Uint8Array.from(rules.mapped.octets)
    inner.set(octets.subarray(12), 12)
    return allowed.some((network) => isInNetwork(inner, network)) || isPublic(inner, allowed)
  }
  if (!isInNetwork(octets, rules.mapped) && !isInNetwork(octets, rules.global)) return false
  return !rules.blocked.some((network) => isInNetwork(octets, network))
}

// Created with the first fetch, so that importing the package stays cheap.
let rules:
  | {
      readonly mapped: IpNetwork
      readonly translated: IpNetwork
      readonly global: IpNetwork
      readonly blocked: readonly IpNetwork[]
    }
  | undefined

const blockedNetworks = [
  '0.0.0.0/8', // this network: reaches the machine itself
  '10.0.0.0/8',
  '100.64.0.0/10', // shared, carrier-grade NAT
  '127.0.0.0/8',
  '168.63.129.16/32', // metadata of Azure
  '169.254.0.0/16', // link-local, metadata
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24', // documentation
  '192.88.99.0/24', // 6to4 relays
  '192.168.0.0/16',
  '198.18.0.0/15', // benchmarks
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, broadcast
  // Of 2000::/3; everything outside it is blocked: loopback, link-local, unique-local, multicast,
  // IPv4-compatible.
  '2001::/23', // Teredo, ORCHID and other protocol assignments
  '2001:db8::/32',
  '2002::/16', // 6to4: an IPv4 address inside
  '3fff::/20',
]
