// Addresses of local endpoints in the form of SPIFFE_Workload_Endpoint.md §4 (rule W-3).

import { isIP, isIPv4 } from 'node:net'
import { PkiError } from '../../../errors/index.ts'

/** The location of an endpoint. */
export type Endpoint =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }

/**
 * Reads `unix:///absolute/path` or `tcp://IP:port`. Never a host name, because a resolver determines its
 * address.
 *
 * @param what The name of the option or variable for messages.
 * @throws ERR_INVALID_ARGUMENT
 */
export function parseEndpoint(address: string, what: string): Endpoint {
  if (typeof address !== 'string' || address.length > maxAddressLength)
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `${what} must be a string of at most ${maxAddressLength} characters`,
    )
  const endpoint = address.startsWith('unix:') ? unixEndpoint(address) : tcpEndpoint(address)
  if (endpoint !== undefined) return endpoint
  throw new PkiError(
    'ERR_INVALID_ARGUMENT',
    `${what} is ${JSON.stringify(address)}; ` +
      `expected unix:///absolute/path (at most ${maxPathBytes} octets) or tcp://IP:port (W-3)`,
  )
}

/** The address in the form that is parsed. */
export function formatEndpoint(endpoint: Endpoint): string {
  if (endpoint.kind === 'unix') return `unix://${endpoint.path}`
  return `tcp://${isIPv4(endpoint.host) ? endpoint.host : `[${endpoint.host}]`}:${endpoint.port}`
}

/** Whether it is reachable only from this machine. */
export function isLoopback({ host }: Extract<Endpoint, { kind: 'tcp' }>): boolean {
  return host === '::1' || (isIPv4(host) && host.startsWith('127.'))
}

function unixEndpoint(address: string): Endpoint | undefined {
  const path = /^unix:(?:\/\/)?(\/[^?#\0]*[^/?#\0])$/.exec(address)?.[1]
  return path === undefined || path.startsWith('//') || Buffer.byteLength(path) > maxPathBytes
    ? undefined
    : { kind: 'unix', path }
}

function tcpEndpoint(address: string): Endpoint | undefined {
  const [, bracketed, bare, digits = ''] =
    /^tcp:\/\/(?:\[([^\]]*)\]|([^:/?#[\]@]*)):(\d{1,5})$/.exec(address) ?? []
  const host = bracketed ?? bare ?? ''
  const port = Number(digits)
  const isAddress = bracketed === undefined ? isIPv4(host) : isIP(host) === 6
  return isAddress && port <= 65_535 ? { kind: 'tcp', host, port } : undefined
}

/** `sun_path` of Linux without its terminating zero. */
const maxPathBytes = 107
const maxAddressLength = 1024
