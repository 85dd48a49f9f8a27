// Every metric of the package in one table, for code, adapters, alerts and dashboards.

/** What one metric is. @inline */
export interface MetricRow {
  /** The name that `Metrics` gets. */
  readonly name: string
  /** `histogram` is what `observe` records. */
  readonly kind: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  /** The labels that it may have; values come from closed sets where nothing else is said. */
  readonly labels: readonly string[]
  /** The upper bounds of the buckets of a histogram. */
  readonly buckets?: readonly number[] | undefined
}

/** Every metric: name, kind, help, labels. Names that begin with `citadel_` are those of Istio's CA. */
const metricTable = {
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
    help: 'Requests between workloads that middleware refused; policy is the rule, or a code without one.',
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
  svidRenewals: { name: 'svid_renewals', kind: 'counter', help: 'SVIDs that were renewed.', labels: [] },
  svidRenewalsFailed: {
    name: 'svid_renewals_failed',
    kind: 'counter',
    help: 'Renewals that failed.',
    labels: ['code'],
  },
  certificateEffectiveEnd: {
    name: 'certificate_effective_end_seconds',
    kind: 'gauge',
    help: 'How long until the first of leaf, chain and root of an SVID expires.',
    labels: ['resource_name'],
  },
  agentCertificateExpiry: {
    name: 'istio_agent_cert_expiry_seconds',
    kind: 'gauge',
    help: "Of Istio's agent: how long until an SVID expires.",
    labels: ['resource_name'],
  },
  certificateAlerts: {
    name: 'certificate_alerts_total',
    kind: 'counter',
    help: 'Alerts about certificates that began.',
    labels: ['type', 'level'],
  },
  agentRequests: {
    name: 'istio_agent_num_outgoing_requests',
    kind: 'counter',
    help: "Requests of Istio's agent to its CA.",
    labels: ['request_type'],
  },
  agentRequestsFailed: {
    name: 'istio_agent_num_failed_outgoing_requests',
    kind: 'counter',
    help: 'Requests of the agent that failed.',
    labels: ['request_type'],
  },
  agentRetries: {
    name: 'istio_agent_num_outgoing_retries',
    kind: 'counter',
    help: 'Attempts of the agent after a failed one.',
    labels: ['request_type'],
  },
  agentLatency: {
    name: 'istio_agent_outgoing_latency',
    kind: 'counter',
    help: 'Milliseconds that requests of the agent took.',
    labels: ['request_type'],
  },
  secretFilesAge: {
    name: 'secret_files_age_seconds',
    kind: 'gauge',
    help: 'The time since the files of a secret were last read successfully.',
    labels: [],
  },
  fileSecretFailures: {
    name: 'istio_agent_num_file_secret_failures_total',
    kind: 'counter',
    help: 'Secret files that were refused when read.',
    labels: [],
  },
  fileWatcherFailures: {
    name: 'istio_agent_num_file_watcher_failures_total',
    kind: 'counter',
    help: 'Directories of secrets that cannot be watched; they are polled.',
    labels: [],
  },
  sdsRequests: {
    name: 'sds_requests',
    kind: 'counter',
    help: 'Requests on streams of secrets; the kinds are first, ack, nack, stale and again.',
    labels: ['kind'],
  },
  citadelRequests: {
    name: 'citadel_server_csr_count',
    kind: 'counter',
    help: 'Requests to the certificate service.',
    labels: [],
  },
  citadelSuccesses: {
    name: 'citadel_server_success_cert_issuance_count',
    kind: 'counter',
    help: 'Certificates that the certificate service issued.',
    labels: [],
  },
  citadelAuthenticationFailures: {
    name: 'citadel_server_authentication_failure_count',
    kind: 'counter',
    help: 'Calls of the certificate service without a valid credential.',
    labels: [],
  },
  citadelSigningErrors: {
    name: 'citadel_server_csr_sign_err_count',
    kind: 'counter',
    help: "Failed requests of the certificate service: error is Istio's word, code is ours.",
    labels: ['error', 'code'],
  },
  citadelRootExpiry: {
    name: 'citadel_server_root_cert_expiry_timestamp',
    kind: 'gauge',
    help: 'When the root that expires first is no longer valid, in seconds since 1970.',
    labels: [],
  },
  citadelRootExpirySeconds: {
    name: 'citadel_server_root_cert_expiry_seconds',
    kind: 'gauge',
    help: 'How long the root that expires first is valid, in seconds; negative once it has expired.',
    labels: [],
  },
  citadelChainExpiry: {
    name: 'citadel_server_cert_chain_expiry_timestamp',
    kind: 'gauge',
    help: 'When the issuing certificate is no longer valid, in seconds since 1970.',
    labels: [],
  },
  citadelChainExpirySeconds: {
    name: 'citadel_server_cert_chain_expiry_seconds',
    kind: 'gauge',
    help: 'How long the issuing certificate is valid, in seconds; negative once it has expired.',
    labels: [],
  },
  rootExpiry: {
    name: 'root_ca_cert_expiry_timestamp',
    kind: 'gauge',
    help: 'When the root that expires first is no longer valid, in seconds since 1970.',
    labels: [],
  },
  crlAge: {
    name: 'crl_age_seconds',
    kind: 'gauge',
    help: 'How long ago the oldest current CRL was issued.',
    labels: [],
  },
  crlLife: {
    name: 'crl_remaining_seconds',
    kind: 'gauge',
    help: 'How long until the nextUpdate of the CRL that ends first; negative once it has passed.',
    labels: [],
  },
  auditPending: {
    name: 'audit_pending_entries',
    kind: 'gauge',
    help: 'Audit records that are in the store and not yet in the log.',
    labels: [],
  },
  healthProblems: {
    name: 'ca_health_problems',
    kind: 'gauge',
    help: 'Whether a part of the CA has a problem: store, signer, crl, root, chain, audit.',
    labels: ['part'],
  },
  storeSeconds: {
    name: 'store_probe_duration_seconds',
    kind: 'histogram',
    help: 'How long the store took to answer a look-up of the health check.',
    labels: [],
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
  },
  signerSeconds: {
    name: 'signer_probe_duration_seconds',
    kind: 'histogram',
    help: 'How long the key of the CA took to sign for the health check.',
    labels: [],
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
  },
  storeCallSeconds: {
    name: 'store_call_duration_seconds',
    kind: 'histogram',
    help: 'How long each call of the store took; call is its part and method, result is ok or failed.',
    labels: ['call', 'result'],
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
  },
  signerCallSeconds: {
    name: 'signer_call_duration_seconds',
    kind: 'histogram',
    help: 'How long the key of the CA took for each signature; result is ok or failed.',
    labels: ['result'],
    buckets: [0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
  },
  issuanceQueue: {
    name: 'issuance_requests_in_progress',
    kind: 'gauge',
    help: 'Requests to the issuance service that wait or are being answered.',
    labels: [],
  },
  grpcConnectionsRefused: {
    name: 'grpc_connections_refused',
    kind: 'counter',
    help: 'Connections that a listener closed before a call was authenticated.',
    labels: ['reason'],
  },
  grpcCallsRefused: {
    name: 'grpc_calls_refused',
    kind: 'counter',
    help: 'Calls that were refused before they reached a service; status where grpc-js answered.',
    labels: ['reason', 'status'],
  },
} as const

type Table = typeof metricTable
type Row = Table[keyof Table]

/** The rows of the table. */
export const metricRows: readonly MetricRow[] = Object.freeze(Object.values(metricTable))

/** The names that `Metrics` gets, by what they are about. */
export const metricNames: { readonly [Key in keyof Table]: Table[Key]['name'] } = Object.freeze(
  Object.fromEntries(Object.entries(metricTable).map(([key, { name }]) => [key, name])),
) as { readonly [Key in keyof Table]: Table[Key]['name'] }

/** The name of a metric of this package; with a kind, of that kind. */
export type MetricName<Kind extends Row['kind'] = Row['kind']> = Extract<Row, { readonly kind: Kind }>['name']
