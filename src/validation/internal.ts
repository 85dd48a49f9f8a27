// Checks of validation for the layers above; not part of the public API.
export { isVerifiedPath } from './verdict/verdict.ts'
export type { RejectedPath, RejectedVerdict, Spent } from './verdict/verdict.ts'
export { readPathOptions } from './path-options.ts'
export type { PathOptions } from './path-options.ts'
export { subjectOf } from './ignored-input.ts'
export { describeCertificate } from './verdict/describe-certificate.ts'
