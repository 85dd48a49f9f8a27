// Calls of a store with an option that it does not have, or with a time or look-back of `prune` that is none.

import type { CaStorage, CertificateRecord } from '../../src/ca/index.ts'

/** Every call must be refused with ERR_INVALID_ARGUMENT, and change nothing. */
export function oddStoreCalls(
  { certificates, authorities, crls, blocks }: CaStorage,
  record: CertificateRecord,
): Readonly<Record<string, () => Promise<unknown>>> {
  const { issuer, identity } = record
  const odd = { noSuchOption: 1 } as object
  const at = new Date(0)
  const list = {
    issuer,
    shard: '',
    number: 1n,
    crl: Uint8Array.of(1),
    thisUpdate: at,
    nextUpdate: new Date(1),
  }
  const prune = (given: object): Promise<unknown> =>
    certificates.prune({ now: at, lookBackSeconds: 1, ...given })
  return {
    recordIntent: () => certificates.recordIntent({ ...record, serialNumber: '0102' } as never, odd),
    recordOutcome: () => certificates.recordOutcome(record, { failed: true }, odd),
    revoke: () => certificates.revoke(record, { reason: 'superseded', revokedAt: at }, odd),
    release: () => certificates.release(record, odd),
    update: () => authorities.update([], odd),
    publish: () => crls.publish(list, { expectedNumber: undefined, ...odd }),
    'publish without expectedNumber': () => crls.publish(list, {} as never),
    'blocks.add': () => blocks!.add({ subject: { identity }, reason: 'test', since: at }, odd),
    'blocks.remove': () => blocks!.remove({ identity }, odd),
    prune: () => prune(odd),
    'prune at no time': () => prune({ now: undefined }),
    'prune at an invalid date': () => prune({ now: new Date(NaN) }),
    'prune at a number': () => prune({ now: 0 }),
    'prune without a look-back': () => prune({ lookBackSeconds: undefined }),
    'prune with a look-back that is NaN': () => prune({ lookBackSeconds: NaN }),
    'prune with a look-back below 0': () => prune({ lookBackSeconds: -1e9 }),
    'prune with a look-back that is text': () => prune({ lookBackSeconds: '1' }),
  }
}
