// Exports all records of a store as JSON lines.

import { isPkiError, PkiError } from '../../errors/index.ts'
import type { CertificateId, CertificateRecord } from '../records/certificate-record.ts'
import type { CertificateQuery, CertificateSearch } from '../records/certificate-store.ts'

/**
 * The records that a query finds, each as one line of JSON with its `\n`: times as ISO 8601, octets as
 * base64. Pages are read while the lines are consumed, so memory use does not depend on the size of the
 * store.
 *
 * @throws ERR_INVALID_ARGUMENT as `CertificateSearch.query`; ERR_ABORTED; the errors of the store
 * @example
 * ```ts
 * for await (const line of exportRecords(storage.certificates, { revoked: true })) process.stdout.write(line)
 * ```
 */
export async function* exportRecords(
  store: Pick<CertificateSearch, 'query'>,
  query: CertificateQuery = {},
  signal?: AbortSignal,
): AsyncGenerator<string> {
  let { after } = query
  do {
    if (signal?.aborted === true)
      throw isPkiError(signal.reason) ? signal.reason : new PkiError('ERR_ABORTED', 'the export was aborted')
    const page = await store.query({ limit: 500, ...query, after })
    for (const record of page.items) yield `${JSON.stringify(lineOf(record))}\n`
    after = page.next
  } while (after !== undefined)
}

function lineOf(record: CertificateRecord): object {
  const { issuer, serialNumber, identity, keyIdentifier, notAfter, intendedAt, caller, rule } = record
  const { renews, idempotencyKey, shard, state, tbs, certificate, revocation } = record
  return {
    issuer,
    serialNumber,
    identity: identity.toString(),
    keyIdentifier,
    state,
    intendedAt,
    notAfter,
    revocation,
    caller: { credential: caller.credential, identities: caller.identities.map((id) => id.toString()) },
    rule,
    renews: renews && idOf(renews),
    idempotencyKey,
    shard,
    tbs: base64(tbs),
    certificate: base64(certificate),
  }
}

function idOf({ issuer, serialNumber }: CertificateId): CertificateId {
  return { issuer, serialNumber }
}

function base64(octets: Uint8Array | undefined): string | undefined {
  return octets === undefined ? undefined : Buffer.from(octets).toString('base64')
}
