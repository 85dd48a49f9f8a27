// The common server of the services of this adapter: admission, ports, TLS material, requests in progress.

export { admissionLimitKinds, resolveLimits } from './admission-limits.ts'
export type { AdmissionLimits } from './admission-limits.ts'
export { Admission } from './admission.ts'
export { admittedCallOf } from './connection.ts'
export type { AdmittedCall } from './connection.ts'
export { listen, openPort } from './port.ts'
export type { Port } from './port.ts'
export { secureContextOptions } from './tls-material.ts'
export type { ServerTlsMaterial } from './tls-material.ts'
export { InFlightLimit } from './in-flight-limit.ts'
