// One HTTP request by the platform's client, with the address checked at connect time and the octets of the
// body counted as they arrive.

import type { Agent as HttpAgent, IncomingMessage, RequestOptions } from 'node:http'
import type { LookupFunction, Socket } from 'node:net'
import { PkiError, isPkiError } from '../../errors/index.ts'
import { ipVersion } from '../../internal/host-text.ts'
import type { IpNetwork } from '../../internal/ip-address.ts'
import { isAddressAllowed } from './address-rules.ts'

/** Finds the addresses of a host, as text; each is checked before it is used. */
export type ResolveHost = (hostname: string) => Promise<readonly string[]>

/** The request to send. */
interface SentRequest {
  readonly url: URL
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array | undefined
  readonly maxBytes: number
  readonly signal: AbortSignal
}

/** Sends requests, and keeps connections for later requests. */
export interface HttpSender {
  send(request: SentRequest): Promise<ReceivedResponse>
  close(): void
}

interface ReceivedResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** A sender that connects to public addresses and to those of `allowed`. */
export function createHttpSender(
  allowed: readonly IpNetwork[],
  caCertificates: string | undefined,
  resolve: ResolveHost = resolveByPlatform,
): HttpSender {
  const agents = new Map<string, HttpAgent>()
  const lookup = guardedLookup(allowed, resolve)
  let closed = false

  const agentFor = async (protocol: string): Promise<HttpAgent> => {
    const { Agent } = protocol === 'https:' ? await import('node:https') : await import('node:http')
    const agent =
      agents.get(protocol) ??
      new Agent({ keepAlive: true, maxSockets: maxSockets, maxFreeSockets: 4, timeout: idleMs })
    if (!closed) agents.set(protocol, agent)
    return agent
  }

  return {
    async send(request) {
      const { url } = request
      const host = url.hostname.replace(/^\[|\]$/g, '')
      // Node does not call the resolver for a literal address.
      if (ipVersion(host) !== 0 && !isAddressAllowed(host, allowed)) throw blocked(host, host)
      const agent = await agentFor(url.protocol)
      const { request: open } =
        url.protocol === 'https:' ? await import('node:https') : await import('node:http')
      const options: RequestOptions & { readonly ca?: string } = {
        agent,
        lookup,
        method: request.method,
        headers: { ...request.headers, ...lengthOf(request.body) },
        maxHeaderSize: 16 * 1024,
        signal: request.signal,
        ...(caCertificates === undefined ? {} : { ca: caCertificates }),
      }
      return new Promise((resolved, rejected) => {
        const sent = open(url, options)
        sent.on('error', (cause) => rejected(failed(url, cause)))
        sent.on('socket', (socket) => checkPeer(socket, host, allowed))
        // Without this listener, Node closes the connection and emits neither `error` nor `response`.
        sent.on('upgrade', (_response, socket) => {
          socket.destroy()
          rejected(
            new PkiError('ERR_FETCH_FAILED', `${url.origin} switched protocols, which was not requested`),
          )
        })
        sent.on('response', (response) => {
          readBody(response, url, request.maxBytes).then(resolved, (error: unknown) => {
            sent.destroy()
            rejected(failed(url, error))
          })
        })
        sent.end(request.body)
      })
    },
    close() {
      closed = true
      for (const agent of agents.values()) agent.destroy()
    },
  }
}

// Part of the connection: after a separate check, the name could resolve to another address.
function guardedLookup(allowed: readonly IpNetwork[], resolve: ResolveHost): LookupFunction {
  return (hostname, options, callback) => {
    const answer = async (): Promise<readonly string[]> => {
      const addresses = await resolve(hostname)
      // Check every address: a name with both public and private addresses could otherwise reach a private
      // one on a later attempt.
      const bad = addresses.find((address) => !isAddressAllowed(address, allowed))
      if (bad !== undefined) throw blocked(hostname, bad)
      if (addresses.length === 0) throw new PkiError('ERR_FETCH_FAILED', `${hostname} has no address`)
      return addresses
    }
    answer().then(
      (addresses) => {
        const found = addresses.map((address) => ({ address, family: ipVersion(address) }))
        const [first] = found
        if (options.all === true) callback(null, found)
        else callback(null, first?.address ?? '', first?.family)
      },
      (error: unknown) => callback(error as Error, ''),
    )
  }
}

/** The final check: the address that the connection really reached. */
function checkPeer(socket: Socket, host: string, allowed: readonly IpNetwork[]): void {
  const check = (): void => {
    const { remoteAddress } = socket
    if (remoteAddress !== undefined && !isAddressAllowed(remoteAddress, allowed))
      socket.destroy(blocked(host, remoteAddress))
  }
  if (socket.connecting) socket.once('connect', check)
  else check()
}

async function readBody(response: IncomingMessage, url: URL, maxBytes: number): Promise<ReceivedResponse> {
  const { statusCode: status = 0, headers } = response
  const encoding = headers['content-encoding'] ?? 'identity'
  if (encoding !== 'identity')
    throw new PkiError('ERR_FETCH_FAILED', `${url.origin} answered with an encoding that was not requested`)
  if (Number(headers['content-length'] ?? 0) > maxBytes) throw tooLarge(url, maxBytes)
  const parts: Buffer[] = []
  let size = 0
  try {
    for await (const part of response as AsyncIterable<Buffer>) {
      size += part.length
      if (size > maxBytes) throw tooLarge(url, maxBytes)
      parts.push(part)
    }
  } catch (cause) {
    throw failed(url, cause)
  }
  if (!response.complete) throw new PkiError('ERR_FETCH_FAILED', `${url.origin} ended its response early`)
  const flat: Record<string, string> = Object.create(null) as Record<string, string>
  for (const [name, value] of Object.entries(headers)) flat[name] = String(value)
  return { status, headers: flat, body: new Uint8Array(Buffer.concat(parts)) }
}

function lengthOf(body: Uint8Array | undefined): Record<string, string> {
  return body === undefined ? {} : { 'content-length': String(body.length) }
}

async function resolveByPlatform(hostname: string): Promise<readonly string[]> {
  const { lookup } = await import('node:dns/promises')
  return (await lookup(hostname, { all: true })).map(({ address }) => address)
}

function failed(url: URL, cause: unknown): PkiError {
  if (isPkiError(cause)) return cause
  const { code } = Object(cause) as { readonly code?: unknown }
  const why = typeof code === 'string' ? ` (${code.slice(0, 64)})` : ''
  return new PkiError('ERR_FETCH_FAILED', `${url.origin} could not be fetched${why}`, { cause })
}

function blocked(host: string, address: string): PkiError<'ERR_FETCH_REFUSED'> {
  const where = host === address ? address : `${host} has the address ${address}`
  return new PkiError(
    'ERR_FETCH_REFUSED',
    `${where}, which is not public; the option allowedNetworks allows networks of your own`,
  )
}

function tooLarge({ origin }: URL, maxBytes: number): PkiError<'ERR_LIMIT_EXCEEDED'> {
  return new PkiError('ERR_LIMIT_EXCEEDED', `${origin} answered with more than ${maxBytes} bytes`)
}

const maxSockets = 64
const idleMs = 30_000
