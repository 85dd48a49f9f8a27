// Names in paths, for the other folders of validation: constraints of the CAs, and the expected peer.

export { checkNameConstraints } from './check-name-constraints.ts'
export { checkPeerName } from './check-peer-name.ts'
export type { PeerName } from './check-peer-name.ts'
