// Names in paths: constraints of the CAs, and the expected peer. Internal exports of this folder.

export { checkNameConstraints } from './check-name-constraints.ts'
export { checkPeerName } from './check-peer-name.ts'
export type { PeerName } from './check-peer-name.ts'
