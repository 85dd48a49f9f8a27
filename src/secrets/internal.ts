// What the adapters that supply secrets are built from, for those alone.

export { LatestValue } from './latest-value.ts'
export { renewalPointMs } from './renewal/renewal-schedule.ts'
export { StateSecrets } from './state-secrets.ts'
export type { WorkloadState } from './workload-state.ts'
export type { CaAnswer, CaRequest } from './ca-client.ts'
export type { X509SourceStatus } from './x509-source.ts'
export type { JwtSource } from './jwt/jwt-source.ts'
