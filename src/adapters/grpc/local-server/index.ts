// Common parts of the services for processes on the same machine: addresses, the socket, attestation, writing
// to streams.

export { AnswerPace } from './answer-pace.ts'
export { PushTurn } from './push-turn.ts'
export type { Pusher } from './push-turn.ts'
export { attestCall, noIdentity, statusOf } from './attested-call.ts'
export type { AttestedCall, CancellableCall } from './attested-call.ts'
export { attestorOf } from './attestor.ts'
export type { Attestor } from './attestor.ts'
export { parseEndpoint } from './endpoint.ts'
export type { Endpoint } from './endpoint.ts'
export { LatestWriter } from './latest-writer.ts'
export type { MessageSink } from './latest-writer.ts'
export { endpointOf, localServerKinds, openLocalServer } from './local-server.ts'
export type { LocalServer, LocalServerOptions } from './local-server.ts'
