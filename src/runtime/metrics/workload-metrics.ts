// Metrics of certificates in use: renewal, expiry, alerts, secrets in files and over SDS.

/** Rows of the table of `metric-names.ts`. */
export const workloadMetrics = {
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
} as const
