// Reads the body of a request: few octets, in little time.

import type { IncomingMessage } from 'node:http'
import type { Clock } from '../../runtime/index.ts'

/** The octets, or why there are none. */
export type RequestBody =
  { readonly octets: Uint8Array } | { readonly status: 408 | 413 | 400; readonly reason: string }

/**
 * Ends at `maxBytes` or after `timeoutMs`, whichever comes first. What Express has parsed already
 * (`request.body`) is taken as it is.
 */
export async function readBody(
  request: IncomingMessage,
  {
    maxBytes,
    timeoutMs,
    clock,
  }: { readonly maxBytes: number; readonly timeoutMs: number; readonly clock: Clock },
): Promise<RequestBody> {
  const parsed: unknown = (request as { readonly body?: unknown }).body
  if (parsed instanceof Uint8Array)
    return parsed.length <= maxBytes ? { octets: new Uint8Array(parsed) } : tooLarge(maxBytes)
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) return tooLarge(maxBytes)
  return new Promise((resolve) => {
    const chunks: Uint8Array[] = []
    let length = 0
    const cancel = clock.schedule(() => {
      end({ status: 408, reason: `no whole body within ${timeoutMs} ms` })
    }, timeoutMs)
    const end = (body: RequestBody): void => {
      cancel()
      request.off('data', onData).off('end', onEnd).off('error', onClose).off('close', onClose)
      if (!('octets' in body)) request.pause()
      resolve(body)
    }
    const onData = (chunk: Uint8Array): void => {
      length += chunk.length
      if (length > maxBytes) end(tooLarge(maxBytes))
      else chunks.push(chunk)
    }
    const onEnd = (): void => {
      end({ octets: Buffer.concat(chunks) })
    }
    const onClose = (): void => {
      end({ status: 400, reason: 'the request ended early' })
    }
    request.on('data', onData).on('end', onEnd).on('error', onClose).on('close', onClose)
  })
}

function tooLarge(maxBytes: number): RequestBody {
  return { status: 413, reason: `at most ${maxBytes} octets are read` }
}
