// Plugged-in CA material that is replaced while the CA runs: taken as one set, with overlap, or refused.

import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { watchPluggedInMaterial } from '../../../../src/adapters/files/index.ts'
import {
  createCertificateAuthority,
  createIntermediateCertificate,
  createMemoryStorage,
  createRootCertificate,
  readPluggedInMaterial,
} from '../../../../src/ca/index.ts'
import type { CaMaterial, CaStorage } from '../../../../src/ca/index.ts'
import { SoftwareSigner, exportPrivateKey } from '../../../../src/keys/index.ts'
import { FakeClock } from '../../../../src/testing/index.ts'
import type { Logger } from '../../../../src/runtime/index.ts'
import { buildCertificate, generalName } from '../../../../src/x509/index.ts'
import type { Certificate } from '../../../../src/x509/index.ts'
import { code } from '../../../support/codes.ts'
import { Told } from '../../../support/listener.ts'
import { issueLeaf, refusalOf, shortProfile } from '../../../support/rotation.ts'
import { temporaryFolders } from '../../../support/temporary.ts'

const newFolder = temporaryFolders('watch-material-')

interface Ca {
  readonly certificate: Certificate
  readonly signer: SoftwareSigner
  readonly roots: readonly Certificate[]
}

async function newCa(name: string, root?: Ca): Promise<Ca> {
  const above = root?.signer ?? (await SoftwareSigner.generate('P-256'))
  const top =
    root?.roots[0] ??
    (await createRootCertificate(above, { subject: `CN=${name} root`, trustDomain: 'example.org' }))
  const signer = await SoftwareSigner.generate('P-256')
  const certificate = await createIntermediateCertificate(
    { certificate: top, signer: above },
    signer.publicKey,
    {
      ...{ subject: `CN=${name}`, trustDomain: 'example.org' },
    },
  )
  return { certificate, signer, roots: [top] }
}

/** A CA whose root expires in five minutes, and its own certificate much later. */
async function outlivingItsRoot(): Promise<Ca> {
  const ca = await newCa('outliving')
  const above = await SoftwareSigner.generate('P-256')
  const root = await createRootCertificate(above, {
    ...{ subject: 'CN=old root', trustDomain: 'example.org', ttlSeconds: 240 },
  })
  const { publicKey } = ca.signer
  const certificate = await buildCertificate(
    {
      ...{ subject: 'CN=outliving', issuer: 'CN=old root', publicKey },
      ...{ notBefore: root.notBefore, notAfter: ca.certificate.notAfter },
      extensions: {
        basicConstraints: { ca: true, pathLength: 0 },
        keyUsage: ['keyCertSign', 'cRLSign'],
        subjectKeyIdentifier: publicKey,
        authorityKeyIdentifier: above.publicKey.keyIdentifier,
        subjectAltName: [generalName.uri('spiffe://example.org')],
      },
    },
    above,
  )
  return { certificate, signer: ca.signer, roots: [root] }
}

const filesOf = ({ certificate, signer, roots }: Ca): Record<string, string> => ({
  'tls.crt': certificate.toPem(),
  'tls.key': exportPrivateKey(signer.privateKey()),
  'ca.crt': roots.map((root) => root.toPem()).join(''),
})

async function write(directory: string, files: Record<string, string>): Promise<void> {
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text)
}

const clockNow = (): FakeClock => new FakeClock(new Date())

async function open(
  directory: string,
  options: { publishedForSeconds?: number; storage?: CaStorage; clock?: FakeClock; logger?: Logger } = {},
) {
  const clock = options.clock ?? clockNow()
  const storage = options.storage ?? createMemoryStorage({ clock })
  const material = (await readPluggedInMaterial(directory)) as CaMaterial
  const authority = createCertificateAuthority({
    ...{ trustDomain: 'example.org', ...material, profile: shortProfile, storage, clock },
  })
  const { publishedForSeconds = 600, logger } = options
  const watch = await watchPluggedInMaterial(directory, { authority, publishedForSeconds, clock, logger })
  onTestFinished(() => watch[Symbol.asyncDispose]())
  return { authority, watch, clock, storage, rotating: { authority } as never, keys: undefined as never }
}

const [one, two] = [await newCa('one'), await newCa('two')]

describe('material that changes', () => {
  it('is published before it signs, and the old root stays until its leaves have expired', async () => {
    const directory = newFolder()
    await write(directory, filesOf(one))
    const test = await open(directory)
    const { authority, watch, clock } = test
    const old = await issueLeaf(test)
    await write(directory, filesOf(two))
    await watch.reload()
    expect(watch.failure).toBeUndefined()
    expect(authority.certificate.equals(one.certificate)).toBe(true)
    expect(authority.roots).toHaveLength(2)
    expect(watch.pendingUntil!.getTime() - clock.now()).toBe(600_000)
    clock.advance(599_000)
    const late = await issueLeaf(test)
    await watch.reload()
    expect(authority.certificate.equals(one.certificate)).toBe(true)
    clock.advance(1000)
    await watch.reload()
    expect(watch.pendingUntil).toBeUndefined()
    expect(authority.certificate.equals(two.certificate)).toBe(true)
    expect(authority.roots).toHaveLength(2)
    for (const leaf of [late, await issueLeaf(test)])
      expect(refusalOf(leaf, authority.trustBundle(), clock.now())).toBeUndefined()
    expect(old.chain).toHaveLength(1)
    clock.advance(601_000)
    await watch.reload()
    expect(authority.roots.map((root) => root.equals(two.roots[0]!))).toEqual([true])
  })

  it('signs at once below a root that is in the bundle', async () => {
    const directory = newFolder()
    await write(directory, filesOf({ ...one, roots: [...one.roots, ...two.roots] }))
    const { authority, watch } = await open(directory)
    await write(directory, filesOf({ ...two, roots: [...one.roots, ...two.roots] }))
    await watch.reload()
    expect(authority.certificate.equals(two.certificate)).toBe(true)
  })

  it('keeps the old root over a restart', async () => {
    const [directory, clock] = [newFolder(), clockNow()]
    const storage = createMemoryStorage({ clock })
    await write(directory, filesOf(one))
    const before = await open(directory, { clock, storage })
    const leaf = await issueLeaf(before)
    await before.watch[Symbol.asyncDispose]()
    await write(directory, filesOf(two))
    const after = await open(directory, { clock, storage })
    expect(refusalOf(leaf, after.authority.trustBundle(), clock.now())).toBeUndefined()
    expect(after.authority.certificate.equals(two.certificate)).toBe(true)
  })

  it('is noticed by polling', async () => {
    const directory = newFolder()
    await write(directory, filesOf(one))
    const { authority, clock } = await open(directory, { publishedForSeconds: 0 })
    await write(directory, filesOf(two))
    await expect
      .poll(() => {
        clock.advance(60_000)
        return authority.certificate.equals(two.certificate)
      })
      .toBe(true)
  })

  it('is read as one set in a volume of Kubernetes, which swaps ..data', async () => {
    const directory = newFolder()
    const generation = async (name: string, ca: Ca): Promise<void> => {
      await mkdir(join(directory, name))
      await write(join(directory, name), filesOf(ca))
      await symlink(name, join(directory, '..data.new'))
      await rename(join(directory, '..data.new'), join(directory, '..data'))
    }
    await generation('..1', one)
    for (const file of ['tls.crt', 'tls.key', 'ca.crt'])
      await symlink(join('..data', file), join(directory, file))
    const { authority, watch } = await open(directory, { publishedForSeconds: 0 })
    for (let turn = 0; turn < 10; turn++) {
      const ca = turn % 2 === 0 ? two : one
      const swapped = generation(`..${turn + 2}`, ca)
      await watch.reload()
      expect(watch.failure).toBeUndefined()
      await swapped
      await watch.reload()
      expect(authority.certificate.equals(ca.certificate)).toBe(true)
      await rm(join(directory, `..${turn + 1}`), { recursive: true })
    }
  })
})

describe('the wait for a new root', () => {
  const waiting = async () => {
    const directory = newFolder()
    await write(directory, filesOf(one))
    const { log, logger } = new Told()
    const test = await open(directory, { logger })
    await write(directory, filesOf(two))
    await test.watch.reload()
    return { ...test, log }
  }

  it.each([
    ['back', -60_000],
    ['forward', 86_400_000],
  ])('has its length when the wall clock is set %s', async (_direction, byMs) => {
    const { authority, watch, clock } = await waiting()
    clock.setWallClock(new Date(clock.now() + byMs))
    clock.advance(599_000)
    await watch.reload()
    expect(authority.certificate.equals(one.certificate)).toBe(true)
    expect(watch.pendingUntil!.getTime() - clock.now()).toBe(1000)
    clock.advance(1000)
    await watch.reload()
    expect(authority.certificate.equals(two.certificate)).toBe(true)
  })

  it('is in the log, with the certificate and its end', async () => {
    const { watch, clock, log } = await waiting()
    const { serialNumber, notAfter } = two.certificate
    const fields = { subject: 'CN=two', serialNumber }
    expect(log).toContainEqual(expect.objectContaining({ ...fields, until: watch.pendingUntil }))
    clock.advance(600_000)
    await watch.reload()
    expect(log).toContainEqual(expect.objectContaining({ ...fields, notAfter }))
  })

  it('ends when the CA cannot sign any longer, because its root has expired', async () => {
    const directory = newFolder()
    const old = await outlivingItsRoot()
    await write(directory, filesOf(old))
    const { authority, watch, clock } = await open(directory)
    await write(directory, filesOf(two))
    await watch.reload()
    expect(authority.certificate.equals(old.certificate)).toBe(true)
    clock.advance(300_000)
    await watch.reload()
    expect(watch.failure).toBeUndefined()
    expect(authority.certificate.equals(two.certificate)).toBe(true)
  })
})

describe('a change that is refused says why, and changes nothing', () => {
  const good = filesOf(two)
  it.each<[string, Record<string, string>]>([
    ['a key of another version', { ...filesOf(one), 'tls.crt': good['tls.crt']!, 'ca.crt': good['ca.crt']! }],
    ['a certificate of another version', { ...good, 'tls.crt': filesOf(one)['tls.crt']! }],
    ['half a file', { ...good, 'tls.crt': good['tls.crt']!.slice(0, 200) }],
    ['an empty key', { ...good, 'tls.key': '' }],
    ['roots that do not fit', { ...good, 'ca.crt': filesOf(one)['ca.crt']! }],
    ['no CA', { ...good, 'tls.crt': 'nonsense' }],
  ])('%s', async (_what, files) => {
    const directory = newFolder()
    await write(directory, filesOf(one))
    const test = await open(directory, { publishedForSeconds: 0 })
    const { authority, watch } = test
    await write(directory, files)
    await watch.reload()
    expect(watch.failure).toEqual(code('ERR_CA_MATERIAL'))
    expect(authority.certificate.equals(one.certificate)).toBe(true)
    expect(authority.roots).toHaveLength(1)
    await issueLeaf(test)
    await write(directory, good)
    await watch.reload()
    expect(watch.failure).toBeUndefined()
    expect(authority.certificate.equals(two.certificate)).toBe(true)
  })

  it('files that are gone', async () => {
    const directory = newFolder()
    await write(directory, filesOf(one))
    const { authority, watch } = await open(directory)
    for (const name of Object.keys(good)) await rm(join(directory, name))
    await watch.reload()
    expect(watch.failure).toEqual(code('ERR_CA_MATERIAL'))
    expect(authority.certificate.equals(one.certificate)).toBe(true)
  })
})

it.each([
  { pollIntervalSeconds: 0 },
  { publishedForSeconds: -1 },
  { publishedForSeconds: undefined },
  { poll: 1 },
])('is not made with %j', async (options) => {
  const directory = newFolder()
  await write(directory, filesOf(one))
  const { authority } = await open(directory)
  await expect(watchPluggedInMaterial(directory, { authority, ...options } as never)).rejects.toThrow(
    code('ERR_INVALID_ARGUMENT'),
  )
})
