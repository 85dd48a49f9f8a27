// The source that a connection is counted under.

import { sourceOfAddress } from '../../../internal/ip-address.ts'

/** The source of a Unix socket, which has no address. */
const localSource = 'local'

/** The source of a peer's address. */
export function sourceOf(address: string | undefined): string {
  return address === undefined ? localSource : sourceOfAddress(address)
}
