// Receipts that are handed out with certificates, and validators that want one.

import { createHash } from 'node:crypto'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  createReceiptChecker,
  encodeAuditRecord,
  formatNoteKey,
  openAuditLog,
  parseNoteKey,
} from '../../../src/audit/index.ts'
import type { AuditLog } from '../../../src/audit/index.ts'
import { noteKeyOf } from '../../../src/audit/signed-note.ts'
import { createCertificateAuthority, createRootCertificate } from '../../../src/ca/index.ts'
import type { CertificateAuthority } from '../../../src/ca/index.ts'
import { createIssuanceService } from '../../../src/issuance/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { SpiffeId } from '../../../src/spiffe/index.ts'
import { X509SvidValidator, verifyX509Svid } from '../../../src/svid/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { buildCertificateRequest } from '../../../src/x509/index.ts'
import { code } from '../../support/codes.ts'
import { MemoryTiles } from './memory-tiles.ts'

const trustDomain = 'example.org'
const caller = { identities: [SpiffeId.parse('spiffe://example.org/web')], credential: 'test', claims: {} }
const csr = await buildCertificateRequest({}, await SoftwareSigner.generate('P-256'))
const [rootKey, logKey] = [await SoftwareSigner.generate('P-256'), await SoftwareSigner.generate('Ed25519')]
const root = await createRootCertificate(rootKey, { subject: 'CN=root', trustDomain })
let clock: FakeClock
let authority: CertificateAuthority
let log: AuditLog

beforeEach(async () => {
  clock = new FakeClock(new Date())
  authority = createCertificateAuthority({ trustDomain, certificate: root, signer: rootKey })
  log = await openLog('ca.example.org/audit')
})

const openLog = (origin: string): Promise<AuditLog> =>
  openAuditLog({ origin, signer: logKey, entries: authority.storage.audit, tiles: new MemoryTiles() })

/** Issues with a receipt, and integrates until it has come. */
async function issued(of: AuditLog = log) {
  const service = createIssuanceService({ authority, audit: true, receipts: of })
  const answering = service.issue({ csr, receipt: true }, caller)
  let isAnswered = false
  void answering.finally(() => (isAnswered = true))
  while (!isAnswered) {
    await of.integrate()
    await new Promise((resolve) => setImmediate(resolve))
  }
  const { certificate, receipt } = await answering
  return { leaf: certificate, receipt: receipt! }
}

const validatorOf = (keys = [log.key]): X509SvidValidator =>
  new X509SvidValidator({ bundles: authority, receipts: createReceiptChecker({ logs: keys }) })

describe('a validator that wants a receipt', () => {
  it('accepts a certificate with one of a known log', async () => {
    const { leaf, receipt } = await issued()
    expect(receipt).toMatch(/^c2sp\.org\/tlog-proof@v1\nextra /)
    expect(validatorOf().verify([leaf], { receipt }).ok).toBe(true)
    const receipts = createReceiptChecker({ logs: [parseNoteKey(formatNoteKey(log.key))] })
    expect(verifyX509Svid([leaf], { bundles: authority, receipts, receipt }).ok).toBe(true)
  })

  it('refuses one without, with that of another certificate, and with one that was changed', async () => {
    const [{ leaf, receipt }, other] = [await issued(), await issued()]
    const bad: Readonly<Record<string, string | undefined>> = {
      none: undefined,
      empty: '',
      'of another certificate': other.receipt,
      'another index': receipt.replace(/\nindex (\d+)/, (_, index: string) => `\nindex ${Number(index) + 1}`),
      'another root': receipt.replace(/\n\n([^\n]+)\n(\d+)\n/, '\n\n$1\n99\n'),
      'without a checkpoint': receipt.slice(0, receipt.indexOf('\n\n') + 2),
      'without a record': receipt.replace(/\nextra [^\n]*/, ''),
      long: receipt + 'x'.repeat(200_000),
    }
    for (const [what, text] of Object.entries(bad)) {
      const verdict = validatorOf().verify([leaf], text === undefined ? {} : { receipt: text })
      expect(verdict, what).toMatchObject({ ok: false, rejected: [{ code: 'ERR_SVID_RECEIPT' }] })
    }
    expect(() => validatorOf().verifyOrThrow([leaf])).toThrow(code('ERR_SVID_RECEIPT'))
  })

  it('takes the keys of a log whose key was replaced, in any order', async () => {
    const next = noteKeyOf(log.key.name, (await SoftwareSigner.generate('Ed25519')).publicKey)
    const { leaf, receipt } = await issued()
    for (const keys of [
      [log.key, next],
      [next, log.key],
    ])
      expect(validatorOf(keys).verify([leaf], { receipt }).ok).toBe(true)
    expect(validatorOf([next]).verify([leaf], { receipt }).ok).toBe(false)
  })

  it('refuses a log that is not known, and one without a witness that is wanted', async () => {
    const { leaf, receipt } = await issued(await openLog('elsewhere.example.org/audit'))
    expect(validatorOf().verify([leaf], { receipt })).toMatchObject({ ok: false })
    const known = await issued()
    const receipts = createReceiptChecker({ logs: [log.key], witnesses: [{ ...log.key, name: 'witness' }] })
    const validator = new X509SvidValidator({ bundles: authority, receipts })
    expect(validator.verify([known.leaf], { receipt: known.receipt })).toMatchObject({ ok: false })
  })

  it('wants the record of an issuance: that of a revocation proves nothing', async () => {
    const { leaf } = await issued()
    const entry = encodeAuditRecord({
      event: 'revoked',
      time: new Date(),
      certificateSha256: createHash('sha256').update(leaf.der).digest('hex'),
    })
    const coming = log.receiptOf(entry, new AbortController().signal)
    await authority.storage.audit.append([entry])
    await log.integrate()
    expect(validatorOf().verify([leaf], { receipt: await coming })).toMatchObject({ ok: false })
  })

  it('takes only `true` of a checker for an acceptance', async () => {
    const { leaf } = await issued()
    const receipts = { verify: () => Promise.resolve(true) as never }
    expect(new X509SvidValidator({ bundles: authority, receipts }).verify([leaf]).ok).toBe(false)
  })

  it.each([{}, { logs: [] }, { logs: undefined }, { logs: [undefined] }, { logs: 'a' }])(
    'options %j are refused',
    (options) => {
      expect(() => createReceiptChecker(options as never)).toThrow(code('ERR_INVALID_ARGUMENT'))
    },
  )
})

describe('a service', () => {
  it('answers without a receipt where the log makes none in time', async () => {
    const service = createIssuanceService({ authority, audit: true, receipts: log, clock })
    const answering = service.issue({ csr, receipt: true }, caller)
    let answer: Awaited<typeof answering> | undefined
    void answering.then((one) => (answer = one))
    await expect
      .poll(() => {
        clock.advance(1000)
        return answer
      })
      .toBeDefined()
    expect(answer!.receipt).toBeUndefined()
    await log.integrate()
    expect(log.size).toBe(1)
  })

  it('refuses to promise one that it cannot have', async () => {
    const service = createIssuanceService({ authority, audit: true })
    await expect(service.issue({ csr, receipt: true }, caller)).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    await expect(service.issue({ csr, receipt: 1 as never }, caller)).rejects.toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
    expect(() => createIssuanceService({ authority, receipts: log })).toThrow(code('ERR_INVALID_ARGUMENT'))
    const plain = createIssuanceService({ authority, audit: true, receipts: log })
    expect(await plain.issue({ csr }, caller)).not.toHaveProperty('receipt')
  })
})
