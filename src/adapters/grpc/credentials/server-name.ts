// The server name that a channel of grpc-js sends in its TLS handshakes (RFC 6066 §3).

import { isIP } from 'node:net'

/** The host of `host:port` or `[address]:port`, either also with a scheme of gRPC's name resolution. */
export function hostOf(address: string): string {
  if (/^unix(?:-abstract)?:/i.test(address)) return 'localhost'
  const text = address.replace(/^(?:dns|ipv4|ipv6):(?:\/\/[^/]*\/)?/i, '')
  const [, bracketed, name] = /^(?:\[([^\]]+)\]|([^:]+))(?::\d+)?$/.exec(text) ?? []
  return bracketed ?? name ?? text
}

/**
 * The name of the server that a channel is for; undefined if it has only an address, which is not a server
 * name. Behind a proxy from environment variables, `path` is the address of the proxy.
 */
export function serverNameOf(path: string, options: Readonly<Record<string, unknown>>): string | undefined {
  const override = options['grpc.ssl_target_name_override']
  const behindProxy = options['grpc.http_connect_target']
  const host =
    typeof override === 'string' ? override : hostOf(typeof behindProxy === 'string' ? behindProxy : path)
  return /^[A-Za-z0-9._-]{1,253}$/.test(host) && isIP(host) === 0 ? host : undefined
}
