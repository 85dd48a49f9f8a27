/**
 * Issuance: authenticate → decide → sign → record.
 *
 * @module spiffe-pki/issuance
 */
export { createIssuanceService } from './issuance-service.ts'
export type { IssuanceService } from './issuance-contract.ts'
export type { IssuanceRequest } from './admission.ts'
export type { IssuedCertificate } from '../ca/index.ts'
