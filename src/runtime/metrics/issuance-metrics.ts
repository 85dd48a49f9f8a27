// Metrics of requests for certificates: authentication, decisions, issuance, signing keys.

/** Rows of the table of `metric-names.ts`. */
export const issuanceMetrics = {
  authenticationFailures: {
    name: 'authentication_failures',
    kind: 'counter',
    help: 'Refused credentials.',
    labels: ['authenticator', 'code'],
  },
  certificatesIssued: {
    name: 'certificates_issued',
    kind: 'counter',
    help: 'Certificates issued. Namespace and service account are empty for identities of another form.',
    labels: ['trust_domain', 'namespace', 'service_account'],
  },
  certificatesRevoked: {
    name: 'certificates_revoked',
    kind: 'counter',
    help: 'Certificates that were revoked.',
    labels: ['reason'],
  },
  certificatesRefused: {
    name: 'certificates_refused',
    kind: 'counter',
    help: 'Requests that the policy refused.',
    labels: ['rule'],
  },
  certificatesFailed: {
    name: 'certificates_failed',
    kind: 'counter',
    help: 'Requests that failed.',
    labels: ['code'],
  },
  csrErrors: {
    name: 'csr_errors_total',
    kind: 'counter',
    help: 'Requests for a certificate that were refused or failed, by error code.',
    labels: ['error_type', 'trust_domain'],
  },
  csrProcessingSeconds: {
    name: 'csr_processing_duration_seconds',
    kind: 'histogram',
    help: 'From a request for a certificate to its answer.',
    labels: [],
    buckets: [0.01, 0.05, 0.1, 0.5, 1, 5],
  },
  rotationSeconds: {
    name: 'certificate_rotation_duration_seconds',
    kind: 'histogram',
    help: 'From a request to renew a certificate to its answer.',
    labels: [],
    buckets: [0.1, 0.5, 1, 5, 10, 30, 60],
  },
  mtlsPolicyViolations: {
    name: 'mtls_policy_violations_total',
    kind: 'counter',
    help: 'Requests between workloads that middleware refused; policy is the rule, or an error code.',
    labels: ['source', 'destination', 'policy'],
  },
  keyManagerFailovers: {
    name: 'key_manager_failovers_total',
    kind: 'counter',
    help: 'Requests passed on to the next key manager.',
    labels: ['code'],
  },
  hsmFailures: {
    name: 'hsm_failures_total',
    kind: 'counter',
    help: 'Failed calls of a PKCS#11 token.',
    labels: ['class'],
  },
  hsmReconnects: {
    name: 'hsm_reconnects_total',
    kind: 'counter',
    help: 'Reconnections to a PKCS#11 token.',
    labels: [],
  },
} as const
