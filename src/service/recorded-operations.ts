// Audit records of operations other than issuance: states of authorities and lists in the transaction that
// they describe, and operations on keys after them.

import { createHash } from 'node:crypto'
import { encodeAuditRecord } from '../audit/index.ts'
import type { AuditRecord } from '../audit/index.ts'
import type { CaStorage } from '../ca/index.ts'
import type { KeyManager } from '../keys/index.ts'
import type { Clock } from '../runtime/index.ts'
import type { Signer } from '../x509/index.ts'

type Details = NonNullable<AuditRecord['details']>

/** Makes the records of one CA. */
export class OperationRecords {
  readonly #audit: CaStorage['audit']
  readonly #clock: Clock
  readonly #isOn: boolean

  /** With `isOn` false nothing is recorded, and storage and keys are returned unchanged. */
  constructor(audit: CaStorage['audit'], clock: Clock, isOn: boolean) {
    this.#audit = audit
    this.#clock = clock
    this.#isOn = isOn
  }

  /** Appends a record that belongs to no other write. @throws the errors of the store */
  async append(event: AuditRecord['event'], details: Details): Promise<void> {
    if (this.#isOn) await this.#audit.append([this.#encode(event, details)])
  }

  /** The storage with a record of each state of an authority and each list. */
  storage(storage: CaStorage): CaStorage {
    if (!this.#isOn) return storage
    const { certificates, authorities, crls, leases, audit, blocks } = storage
    return Object.freeze<CaStorage>({
      ...{ certificates, leases, audit },
      ...(blocks === undefined ? {} : { blocks }),
      authorities: Object.freeze<CaStorage['authorities']>({
        list: () => authorities.list(),
        update: (records, options) => {
          // A step of a rotation has its own record.
          if ((options?.audit?.length ?? 0) > 0) return authorities.update(records, options)
          const entries = records.map(({ id, state, keyId, keyVersion, certificate }) =>
            this.#encode('authority', { id, state, keyId, keyVersion, sha256: sha256(certificate) }),
          )
          return authorities.update(records, { ...options, audit: entries })
        },
      }),
      crls: Object.freeze<CaStorage['crls']>({
        last: (issuer, shard) => crls.last(issuer, shard),
        list: () => crls.list(),
        ...(crls.latestTime && { latestTime: () => crls.latestTime?.() as Promise<Date> }),
        publish: (list, options) => {
          const { issuer, shard, number, crl, nextUpdate } = list
          const details = { issuer, shard, number: number.toString(), nextUpdate: nextUpdate.toISOString() }
          const entry = this.#encode('crl', { ...details, sha256: sha256(crl) })
          return crls.publish(list, { ...options, audit: [...(options.audit ?? []), entry] })
        },
      }),
      [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose](),
    })
  }

  /** The key manager with a record of each change of a key, but not of its use. */
  keys(keys: KeyManager): KeyManager {
    if (!this.#isOn) return keys
    const record = async (action: string, id: string, signer?: Signer): Promise<void> => {
      const publicKeySha256 = signer === undefined ? undefined : sha256(signer.publicKey.spki)
      await this.append(
        'key',
        publicKeySha256 === undefined ? { action, id } : { action, id, publicKeySha256 },
      )
    }
    return Object.freeze<KeyManager>({
      getSigner: (id, version) => keys.getSigner(id, version),
      listKeys: (id) => keys.listKeys(id),
      async generateKey(id, algorithm) {
        const signer = await keys.generateKey(id, algorithm)
        await record('generated', id, signer)
        return signer
      },
      async rotateKey(id) {
        const signer = await keys.rotateKey(id)
        await record('rotated', id, signer)
        return signer
      },
      async backupKey(id, protection) {
        const backup = await keys.backupKey(id, protection)
        await record('backed up', id)
        return backup
      },
      async restoreKey(backup, protection) {
        const id = backup.keyId
        const signer = await keys.restoreKey(backup, protection)
        await record('restored', id, signer)
        return signer
      },
      async destroyKey(id, version) {
        await keys.destroyKey(id, version)
        await record('destroyed', version === undefined ? id : `${id} ${version}`)
      },
      [Symbol.asyncDispose]: () => keys[Symbol.asyncDispose](),
    })
  }

  #encode(event: AuditRecord['event'], details: Details): Uint8Array {
    return encodeAuditRecord({ event, time: new Date(this.#clock.now()), details })
  }
}

function sha256(octets: Uint8Array): string {
  return createHash('sha256').update(octets).digest('hex')
}
