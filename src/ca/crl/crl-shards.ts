// Where the lists of a CA are published, and which list a certificate belongs to (RFC 5280 §4.2.1.13, §5.2.5,
// §5.2.6).

import { PkiError } from '../../errors/index.ts'
import { checkCounts, requireCount } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import { extensionOids, generalName } from '../../x509/index.ts'
import type { Certificate } from '../../x509/index.ts'
import { encodeDistributionPoints, encodeExtension } from '../../x509/internal.ts'
import type { DistributionPoint } from '../../x509/internal.ts'
import type { KeyIdentifier } from '../records/certificate-record.ts'

/** How the lists of a CA are divided and published. @inline */
export interface CrlDistribution {
  /**
   * The http URL, without a slash at its end, under which `createHttpHandler` serves the lists: its own URL
   * and `/crl`. If set, every certificate has the URL of its list (RFC 5280 §4.2.1.13).
   */
  readonly url?: string | undefined
  /**
   * The number of lists among which the certificates of a key are divided; 1 to 1,024; requires `url`. The
   * URL of its list is in each certificate, so a later change of the number does not affect existing
   * certificates. Default: one complete list.
   */
  readonly shards?: number | undefined
  /**
   * Time from a delta CRL to its nextUpdate, in seconds. If set, new revocations are published in delta CRLs,
   * and a complete list is signed again only after two thirds of its validity. Default: no delta CRLs.
   */
  readonly deltaTtlSeconds?: number | undefined
}

/** The distribution of one CA, with its options checked. */
export interface ReadCrlDistribution extends CrlDistribution {
  readonly shards: number
}

/** @throws ERR_INVALID_ARGUMENT */
export function readCrlDistribution(given: CrlDistribution | undefined): ReadCrlDistribution {
  const read = readOptions('crlDistribution', given, {
    url: 'optional',
    shards: 'optional',
    deltaTtlSeconds: 'optional',
  })
  const { url, shards = 0, deltaTtlSeconds } = read
  if (url !== undefined && !/^http:\/\/[^/?#\s]+(\/[^?#\s]*[^/?#\s])?$/.test(url))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'crlDistribution: url must be an http URL without query and final slash (RFC 5280 §8: a verifier ' +
        'that ' +
        `fetched CRLs over TLS would need a CRL to verify TLS), found ${JSON.stringify(url)}`,
    )
  if (read.shards !== undefined) {
    requireCount('crlDistribution: shards', shards, 1, maxShards)
    if (url === undefined)
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        'crlDistribution: shards need url, because a certificate names its list by a URL (RFC 5280 §5.2.5)',
      )
  }
  checkCounts({ deltaTtlSeconds }, 1)
  return Object.freeze({ ...read, shards })
}

/**
 * The shard of a certificate: derived from its serial number, which is random; '' if the lists are not
 * divided.
 */
export function shardOf(serialNumber: Uint8Array, { shards }: ReadCrlDistribution): string {
  if (shards === 0) return completeList
  const { length } = serialNumber
  return String((((serialNumber[length - 2] ?? 0) << 8) | (serialNumber[length - 1] ?? 0)) % shards)
}

/** The shards that new certificates belong to. */
export function shardNames({ shards }: ReadCrlDistribution): readonly string[] {
  return Array.from({ length: shards }, (_, at) => String(at))
}

/** Where a list is published; undefined without a URL. */
export function crlUrl(
  { url }: Pick<CrlDistribution, 'url'>,
  issuer: KeyIdentifier,
  shard: string,
  kind: 'complete' | 'delta' = 'complete',
): string | undefined {
  const name = shard === completeList ? issuer : `${issuer}/${shard}`
  return url && `${url}/${name}${kind === 'delta' ? '.delta' : ''}.crl`
}

/** DER of the cRLDistributionPoints extension of a leaf; empty without a URL. */
export function leafDistributionPoint(url: string | undefined): Uint8Array {
  if (url === undefined) return nothing
  const value = encodeDistributionPoints([pointOf(url)])
  return encodeExtension({ oid: extensionOids.crlDistributionPoints, critical: false, value })
}

/** A distribution point that is one URL. */
export function pointOf(url: string): DistributionPoint {
  return { name: { fullName: [generalName.uri(url)] }, reasons: undefined, crlIssuer: undefined }
}

/** The shard in the URL of a certificate of the CA `issuer`; '' if it has none. */
export function shardNamedIn(certificate: Certificate, issuer: KeyIdentifier): string {
  for (const { name } of certificate.crlDistributionPoints ?? [])
    for (const one of name !== undefined && 'fullName' in name ? name.fullName : []) {
      const shard =
        one.type === 'uri' ? new RegExp(`/${issuer}/(\\d{1,4})\\.crl$`).exec(one.value)?.[1] : undefined
      if (shard !== undefined) return shard
    }
  return completeList
}

/** The name under which the `CrlStore` keeps the delta of a list. */
export function deltaName(shard: string): string {
  return `${shard}+delta`
}

/** Whether a name in the `CrlStore` is that of a delta. */
export function isDeltaName(name: string): boolean {
  return name.endsWith('+delta')
}

/** The shard name of the complete list of an issuer. */
export const completeList = ''
const maxShards = 1024
const nothing = new Uint8Array(0)
