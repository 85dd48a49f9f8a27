// The limits of every listener, and their defaults.

import { checkCounts, checkMeasures } from '../../../internal/numbers.ts'
import type { OptionKinds } from '../../../internal/options.ts'

/**
 * Limits of a listener. A connection is unauthenticated until one of its calls was authenticated.
 */
export interface AdmissionLimits {
  /**
   * Maximum number of open connections of the server. When it is reached, the oldest unauthenticated
   * connection is closed for a new one. Default 10,000.
   */
  readonly maxConnections?: number | undefined
  /**
   * Maximum number of open connections of one source (IPv4 /32, IPv6 /64); handled as `maxConnections`.
   * Default 2,048.
   */
  readonly maxConnectionsPerSource?: number | undefined
  /**
   * Maximum number of octets of a client before the end of its TLS handshake, on a port that requests a
   * certificate: OpenSSL verifies each certificate on the event loop. Three of RSA-4096 need about 8 KiB.
   * Default 16 KiB. From 100 KiB on, OpenSSL's own limit alone holds, and keys are not checked before it.
   */
  readonly maxHandshakeBytes?: number | undefined
  /** Maximum number of open streams of one connection. Default 1,024. */
  readonly maxStreams?: number | undefined
  /** Maximum number of open streams of an unauthenticated connection. Default 16. */
  readonly maxUnauthenticatedStreams?: number | undefined
  /**
   * Maximum number of calls on unauthenticated connections of one source, until their work has ended. When it
   * is reached, the oldest incomplete request is ended. Default 1,024.
   */
  readonly maxUnauthenticatedCallsPerSource?: number | undefined
  /** Maximum size of one message in octets. Default 64 KiB. */
  readonly maxMessageBytes?: number | undefined
  /** Maximum size of the headers of one request in octets, names and values. Default 16 KiB. */
  readonly maxHeaderBytes?: number | undefined
  /** Maximum memory of one HTTP/2 session in megabytes. Default 16. */
  readonly maxSessionMemoryMb?: number | undefined
  /**
   * Maximum time from the headers of a request to its complete first message, in milliseconds. Default 5,000.
   */
  readonly requestTimeoutMs?: number | undefined
  /**
   * Maximum time from accepting a connection to its first octet, and from the TLS handshake to the HTTP/2
   * SETTINGS, in milliseconds. Default 5,000.
   */
  readonly firstOctetsTimeoutMs?: number | undefined
  /** Maximum time from accepting a connection to its first authenticated call, in seconds. Default 15. */
  readonly maxUnauthenticatedSeconds?: number | undefined
  /** A connection without streams is closed after this many seconds. Default 300. */
  readonly maxIdleSeconds?: number | undefined
  /** Interval of PING frames in seconds. Default 30, as in Istio's server. */
  readonly keepaliveSeconds?: number | undefined
  /**
   * A connection is closed if a PING is not answered within this many seconds. Default 10, as in Istio's
   * server.
   */
  readonly keepaliveTimeoutSeconds?: number | undefined
  /**
   * Maximum age of a connection in seconds, at most 1,000,000. Its client then connects again and gets the
   * current certificate. Default 1,800.
   */
  readonly maxConnectionAgeSeconds?: number | undefined
}

/** The keys of `AdmissionLimits` for `readOptions`. */
export const admissionLimitKinds: OptionKinds<AdmissionLimits> = {
  maxConnections: 'optional',
  maxConnectionsPerSource: 'optional',
  maxHandshakeBytes: 'optional',
  maxStreams: 'optional',
  maxUnauthenticatedStreams: 'optional',
  maxUnauthenticatedCallsPerSource: 'optional',
  maxMessageBytes: 'optional',
  maxHeaderBytes: 'optional',
  maxSessionMemoryMb: 'optional',
  requestTimeoutMs: 'optional',
  firstOctetsTimeoutMs: 'optional',
  maxUnauthenticatedSeconds: 'optional',
  maxIdleSeconds: 'optional',
  keepaliveSeconds: 'optional',
  keepaliveTimeoutSeconds: 'optional',
  maxConnectionAgeSeconds: 'optional',
}

/** Every limit with its value. */
export type ResolvedLimits = { readonly [Name in keyof AdmissionLimits]-?: number }

const defaults: ResolvedLimits = {
  maxConnections: 10_000,
  maxConnectionsPerSource: 2_048,
  maxHandshakeBytes: 16 * 1024,
  maxStreams: 1_024,
  maxUnauthenticatedStreams: 16,
  maxUnauthenticatedCallsPerSource: 1_024,
  maxMessageBytes: 64 * 1024,
  maxHeaderBytes: 16 * 1024,
  maxSessionMemoryMb: 16,
  requestTimeoutMs: 5_000,
  firstOctetsTimeoutMs: 5_000,
  maxUnauthenticatedSeconds: 15,
  maxIdleSeconds: 300,
  keepaliveSeconds: 30,
  keepaliveTimeoutSeconds: 10,
  maxConnectionAgeSeconds: 1_800,
}

/**
 * Merges the given limits with the defaults. For grpc-js and Node, a limit that is not a positive number
 * often means no limit.
 * @throws ERR_INVALID_ARGUMENT
 */
export function resolveLimits(given: AdmissionLimits): ResolvedLimits {
  const limits: Record<string, number> = {}
  for (const [name, fallback] of Object.entries(defaults)) {
    const value = given[name as keyof AdmissionLimits]
    if (value !== undefined) checkLimit(name, value)
    limits[name] = value ?? fallback
  }
  return limits as ResolvedLimits
}

function checkLimit(name: string, value: number): void {
  if (!/(?:Seconds|Ms)$/.test(name)) checkCounts({ [name]: value }, 1, 2 ** 32 - 1)
  // A platform timer above 2^31 ms fires at once.
  else checkMeasures({ [name]: value }, 0.001, name.endsWith('Ms') ? 2 ** 31 - 1 : 1_000_000)
}
