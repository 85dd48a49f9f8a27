// The IP addresses in a certificate: which of them the rules for an identity grant.

import { isInNetwork, parseIpAddress } from '../../internal/ip-address.ts'
import type { IpNetwork } from '../../internal/ip-address.ts'
import type { GeneralName } from '../../x509/index.ts'
import type { PolicyRule } from './policy-document.ts'

/** A rule with the networks of its `ipAddresses`. */
interface RuleWithAddresses {
  readonly rule: PolicyRule
  readonly ipAddresses: readonly IpNetwork[] | undefined
}

/** Whether one of the rules that allow has the address. */
export function mayHaveAddress(name: GeneralName, matches: readonly RuleWithAddresses[]): boolean {
  const address = name.type === 'ip' ? parseIpAddress(name.value) : undefined
  if (address === undefined) return false
  return matches.some(
    ({ rule, ipAddresses }) =>
      rule.effect !== 'deny' && ipAddresses?.some((network) => isInNetwork(address, network)) === true,
  )
}
