// The DNS names that a CA writes into certificates.

import { isPresentedName, isWildcard } from '../../internal/host-text.ts'

/**
 * L25: the dNSNames that a CA writes, stricter than those that a verifier accepts. Each is a host name (RFC
 * 1034 §3.5, RFC 1123 §2.1), or a wildcard over at least two labels (RFC 9525 §6.3, BR 3.2.2.6), because the
 * verifier of this package matches no other names. They are in lower case, because letter case is ignored in
 * comparison (RFC 4343), and a certificate must not contain a name twice.
 */
export function isDnsName(name: string): boolean {
  return isPresentedName(name) && name === name.toLowerCase() && (!name.startsWith('*.') || isWildcard(name))
}
