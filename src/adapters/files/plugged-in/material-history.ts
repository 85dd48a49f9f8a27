// The roots of material that was in the files before: they stay until the last leaf below them has expired,
// also over a restart.

import { createHash } from 'node:crypto'
import { keyIdentifierOf } from '../../../ca/internal.ts'
import type { CaMaterial, CaStorage } from '../../../ca/index.ts'
import type { AuthorityRecord } from '../../../ca/internal.ts'
import { isPkiError } from '../../../errors/index.ts'
import type { Clock } from '../../../runtime/index.ts'
import { Certificate } from '../../../x509/index.ts'

/** The recorded material, in the authority store under the key name `plugged-in`. */
export class MaterialHistory {
  readonly #storage: CaStorage
  readonly #clock: Clock
  #records: readonly AuthorityRecord[] = []

  constructor(storage: CaStorage, clock: Clock) {
    this.#storage = storage
    this.#clock = clock
  }

  async open(): Promise<void> {
    this.#records = (await this.#storage.authorities.list()).filter(({ keyId }) => keyId === keyName)
  }

  /** Roots of earlier material that still has valid leaves. */
  async roots(): Promise<readonly Certificate[]> {
    const nowMs = this.#clock.now()
    const roots: Certificate[] = []
    for (const record of this.#records) {
      if (record.state !== 'active' && record.state !== 'retired') continue
      const certificate = Certificate.parse(record.certificate)
      if (nowMs >= certificate.notAfterMs + 1000 || !(await this.#isUsed(certificate, nowMs))) continue
      for (const der of record.roots) roots.push(Certificate.parse(der))
    }
    return roots.filter(({ notAfterMs }) => nowMs < notAfterMs + 1000)
  }

  /** Records the material that the CA signs with now. */
  async taken({ certificate, roots }: CaMaterial): Promise<void> {
    const digest = createHash('sha256').update(certificate.der).digest('hex')
    const id = `${keyName}-${digest.slice(0, 32)}`
    const since = new Date(this.#clock.now())
    const known = this.#records.find((record) => record.id === id)
    const own = roots.map(({ der }) => der)
    if (known?.state === 'active' && isSame(known.roots, own)) return
    const changed: AuthorityRecord[] = this.#records
      .filter((record) => record.state === 'active' && record.id !== id)
      .map((record) => ({ ...record, state: 'retired', since, version: record.version + 1 }))
    changed.push({
      id,
      state: 'active',
      certificate: certificate.der,
      chain: [],
      roots: own,
      keyId: keyName,
      keyVersion: 1,
      since,
      version: (known?.version ?? 0) + 1,
    })
    try {
      await this.#storage.authorities.update(changed)
    } catch (error) {
      // Another process reads the same files, and recorded them first.
      if (!isPkiError(error, 'ERR_STORE_CONFLICT')) throw error
    }
    await this.open()
  }

  async #isUsed(certificate: Certificate, nowMs: number): Promise<boolean> {
    const keyIdentifier = certificate.subjectKeyIdentifier
    if (keyIdentifier === undefined) return false
    const issuer = keyIdentifierOf(keyIdentifier)
    const notAfterFrom = new Date(Math.floor(nowMs / 1000) * 1000)
    return (await this.#storage.certificates.query({ issuer, notAfterFrom, limit: 1 })).items.length > 0
  }
}

function isSame(left: readonly Uint8Array[], right: readonly Uint8Array[]): boolean {
  return (
    left.length === right.length &&
    left.every((der, at) => Buffer.compare(der, right[at] as Uint8Array) === 0)
  )
}

const keyName = 'plugged-in'
