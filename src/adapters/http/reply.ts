// One HTTP answer: entity tags, conditional requests, lifetimes (RFC 9110 §8.8, §13; RFC 9111 §5.2).

import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'

/** The response of a resource. */
export interface Reply {
  readonly status: number
  readonly type: string
  readonly body: Uint8Array | string
  /** How long caches may keep it; 0: `no-store`. */
  readonly maxAgeSeconds: number
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** The digest of the body, if it is already known. */
  readonly tag?: string | undefined
  /** Whether the octets of the body were read only for this response. */
  readonly isOwn?: boolean | undefined
}

/** A short plain-text response with the reason of a failure. */
export function plainReply(status: number, text: string, headers?: Readonly<Record<string, string>>): Reply {
  return { status, type: 'text/plain; charset=utf-8', body: `${text}\n`, maxAgeSeconds: 0, headers }
}

/** Sends the response: 304 if the client has it already, and no body for HEAD. */
export function sendReply(request: IncomingMessage, response: ServerResponse, reply: Reply): void {
  // Something else may have answered meanwhile, such as a time limit of the server.
  if (response.headersSent) return
  const body = typeof reply.body === 'string' ? Buffer.from(reply.body) : reply.body
  const cacheable = reply.status === 200 && reply.maxAgeSeconds > 0
  const headers: Record<string, string | number> = {
    ...reply.headers,
    'content-type': reply.type,
    'x-content-type-options': 'nosniff',
    'cache-control': cacheable ? `public, max-age=${reply.maxAgeSeconds}` : 'no-store',
  }
  if (cacheable) {
    const tag = reply.tag === undefined ? tagOf(body) : `"${reply.tag}"`
    headers['etag'] = tag
    if (request.method !== 'POST' && hasTag(request.headers['if-none-match'], tag)) {
      response.writeHead(304, { etag: tag, 'cache-control': headers['cache-control'] as string }).end()
      return
    }
  }
  headers['content-length'] = body.length
  response.writeHead(reply.status, headers)
  if (request.method === 'HEAD') response.end()
  else response.end(body)
}

/** A list of many megabytes is hashed once, not for each request. */
function tagOf(body: Uint8Array): string {
  const known = tags.get(body)
  if (known !== undefined) return known
  const tag = `"${createHash('sha256').update(body).digest('base64url')}"`
  tags.set(body, tag)
  return tag
}

const tags = new WeakMap<Uint8Array, string>()

function hasTag(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false
  return header.split(',', 64).some((one) => one.trim() === '*' || one.trim().replace(/^W\//, '') === tag)
}
