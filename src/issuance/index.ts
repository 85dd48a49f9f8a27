/**
 * Issuance: authenticate → decide → sign → record.
 *
 * @module spiffe-pki/issuance
 */
export { createIssuanceService } from './issuance-service.ts'
export type {
  CertificateStatus,
  IssuancePlan,
  IssuanceRequest,
  IssuanceService,
  IssuanceServiceOptions,
} from './issuance-service.ts'
export type { IssuedCertificate } from '../ca/index.ts'
