// Metrics of a CA in operation: Istio's certificate service, expiry times, health, calls and listeners.

/** Rows of the table of `metric-names.ts`. */
export const authorityMetrics = {
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
    help: "Failed requests of the certificate service: error is Istio's label value, code the error code.",
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
    help: 'Calls that were refused before they reached a service; status is that of grpc-js, if it answered.',
    labels: ['reason', 'status'],
  },
} as const
