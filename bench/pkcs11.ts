// pkcs11/…: signing through our pool against a bare pkcs11js loop of as many sessions; without SoftHSM there
// are no rows.

import { monitorEventLoopDelay } from 'node:perf_hooks'
import { hash, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { createSoftHsmToken } from '../examples/main/softhsm.ts'
import { Pkcs11KeyManager } from '../src/adapters/pkcs11/index.ts'
import type { Signer } from '../src/x509/index.ts'
import type { BenchRow } from './row.ts'

/** The part of pkcs11js that a bare loop uses. */
interface Bare {
  load(path: string): void
  C_GetSlotList(present: boolean): Buffer[]
  C_GetTokenInfo(slot: Buffer): { label: string }
  C_OpenSession(slot: Buffer, flags: number): Buffer
  C_FindObjectsInit(session: Buffer, template: { type: number; value: number | string }[]): void
  C_FindObjects(session: Buffer, count: number): Buffer[]
  C_FindObjectsFinal(session: Buffer): void
  C_SignInit(session: Buffer, mechanism: { mechanism: number }, key: Buffer): void
  C_SignAsync(session: Buffer, data: Buffer, signature: Buffer): Promise<Buffer>
}

const sessions = 8
const signatures = 256
const data = Buffer.alloc(400, 1)
const token = await createSoftHsmToken('bench').catch((error: unknown) => {
  console.log(`pkcs11/…: skipped, ${(error as Error).message}`)
  return undefined
})
if (token !== undefined) process.once('beforeExit', () => void token.dispose())

/**
 * `pool`: the caller verifies, as a CA of this package does. `checked`: the pool does, which is the default.
 */
export const rows: readonly BenchRow[] =
  token === undefined
    ? []
    : [
        await row(token, 'P-256', 'caller'),
        await row(token, 'P-256', 'always'),
        await row(token, 'RSA-2048', 'caller'),
        await row(token, 'RSA-2048', 'always'),
      ]

async function row(
  { modulePath, label, pin }: NonNullable<typeof token>,
  algorithm: 'P-256' | 'RSA-2048',
  checkSignatures: 'always' | 'caller',
): Promise<BenchRow> {
  const checked = checkSignatures === 'always'
  let keys: Pkcs11KeyManager | undefined
  let signer: Signer | undefined
  // A row that missed its bar is set up again, in the same token.
  let setups = 0
  let bare: ((check: boolean) => () => Promise<void>) | undefined
  return {
    name: `pkcs11/${checked ? 'checked' : 'pool'}-${algorithm === 'P-256' ? 'p256' : 'rsa2048'}-8`,
    operations: signatures,
    async setup() {
      keys = await Pkcs11KeyManager.open({
        module: modulePath,
        token: { label },
        pin: () => pin,
        maxSessions: sessions,
        checkSignatures,
      })
      const id = `${algorithm}-${checkSignatures}-${++setups}`
      signer = await keys.generateKey(id, algorithm)
      bare = await bareLoop(modulePath, label, id, signer)
    },
    ours: async () => concurrently(signer!),
    peers: {
      pkcs11js: async () => bare!(false)(),
      ...(checked ? { 'pkcs11js and verify': async () => bare!(true)() } : {}),
    },
    bars: checked ? { 'pkcs11js and verify': 0.75 } : { pkcs11js: 0.75 },
    goals: checked ? { 'pkcs11js and verify': 0.9 } : { pkcs11js: 0.9 },
    extra: async () =>
      algorithm === 'P-256'
        ? { 'event-loop lag p99 ms over 10,000 signatures': await eventLoopLag(signer!) }
        : {},
    teardown: async () => keys?.[Symbol.asyncDispose](),
  }
}

async function concurrently(signer: Signer): Promise<void> {
  let left = signatures
  await Promise.all(
    Array.from({ length: sessions }, async () => {
      while (left-- > 0) await signer.sign(data)
    }),
  )
}

/**
 * The same module, already initialised and logged in by ours; one key, one signature at a time on each of as
 * many sessions.
 */
async function bareLoop(
  modulePath: string,
  label: string,
  id: string,
  signer: Signer,
): Promise<(check: boolean) => () => Promise<void>> {
  const { default: binding } = (await import('pkcs11js')) as unknown as {
    default: { PKCS11: new () => Bare }
  }
  const module = new binding.PKCS11()
  module.load(modulePath)
  const slot = module.C_GetSlotList(true).find((one) => module.C_GetTokenInfo(one).label.trim() === label)!
  const open = Array.from({ length: sessions }, () => module.C_OpenSession(slot, 4))
  module.C_FindObjectsInit(open[0]!, [
    { type: 0, value: 3 },
    { type: 3, value: id },
  ])
  const [key] = module.C_FindObjects(open[0]!, 1)
  module.C_FindObjectsFinal(open[0]!)
  const publicKey = signer.publicKey.keyObject()
  const isRsa = publicKey.asymmetricKeyType === 'rsa'
  return (check) => async () => {
    let left = signatures
    await Promise.all(
      open.map(async (session) => {
        while (left-- > 0) {
          // CKM_ECDSA over a digest made here, or CKM_SHA256_RSA_PKCS.
          module.C_SignInit(session, { mechanism: isRsa ? 0x40 : 0x1041 }, key!)
          const signature = await module.C_SignAsync(
            session,
            isRsa ? data : hash('sha256', data, 'buffer'),
            Buffer.alloc(isRsa ? 256 : 64),
          )
          if (check) await verified(signature, publicKey)
        }
      }),
    )
  }
}

function verified(signature: Buffer, key: KeyObject): Promise<boolean> {
  return new Promise((resolve, reject) =>
    verify('sha256', data, { key, dsaEncoding: 'ieee-p1363' }, signature, (error, holds) =>
      error === null ? resolve(holds) : reject(error),
    ),
  )
}

async function eventLoopLag(signer: Signer): Promise<number> {
  const lag = monitorEventLoopDelay({ resolution: 1 })
  lag.enable()
  for (let done = 0; done < 10_000; done += signatures) await concurrently(signer)
  lag.disable()
  return lag.percentile(99) / 1e6
}
