// Exports of policy for higher layers only, which are not part of the public API.
export { RequestGuard } from './identity/request-guard.ts'
export type { Judgement, RequestGuardOptions } from './identity/request-guard.ts'
export type { AuthorizationRequest } from './authorization/facts.ts'
