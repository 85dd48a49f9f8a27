// The second face of policy, for the layers above only: what is not part of the package's public API.
export { RequestGuard } from './identity/request-guard.ts'
export type { Judgement, RequestGuardOptions } from './identity/request-guard.ts'
export type { AuthorizationRequest } from './authorization/facts.ts'
