// Exports of secrets for the adapters that supply secrets, which are not part of the public API.

export { LatestValue } from './latest-value.ts'
export { renewalPointMs } from './renewal/renewal-schedule.ts'
export { StateSecrets } from './state-secrets.ts'
export type { WorkloadState } from './workload-state.ts'
export type { CaAnswer, CaRequest } from './ca-client.ts'
export type { X509SourceStatus } from './x509-source.ts'
export type { JwtSource } from './jwt/jwt-source.ts'
