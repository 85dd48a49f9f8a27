// A source over files: read as one set, followed by events and by polling, refused changes, names for
// proxies.

import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createFileSource } from '../../../../src/adapters/files/index.ts'
import { createTlsIdentity } from '../../../../src/adapters/tls/index.ts'
import { createCertificateAuthority } from '../../../../src/ca/index.ts'
import { createIssuanceService } from '../../../../src/issuance/index.ts'
import { SoftwareSigner, exportPrivateKey } from '../../../../src/keys/index.ts'
import type { CertificateSecret, Secret, X509Identity } from '../../../../src/secrets/index.ts'
import { TrustDomain } from '../../../../src/spiffe/index.ts'
import { FakeClock, contracts } from '../../../../src/testing/index.ts'
import { buildCertificate, buildCertificateRequest, generalName } from '../../../../src/x509/index.ts'
import type { Certificate } from '../../../../src/x509/index.ts'
import { code } from '../../../support/codes.ts'
import { itKeeps } from '../../../support/contract.ts'
import { Told } from '../../../support/listener.ts'
import { newRoot } from '../../../support/mesh.ts'
import { callerOf } from '../../../support/pki.ts'
import { temporaryFolders } from '../../../support/temporary.ts'

const id = 'spiffe://example.org/ns/prod/sa/api'
const newFolder = temporaryFolders('file-source-')
const root = await newRoot('example.org')
const authority = createCertificateAuthority({ trustDomain: 'example.org', ...root })
const issuance = createIssuanceService({ authority })

interface Files {
  readonly cert: string
  readonly key: string
  readonly serialNumber: string
}

async function issue(of: string = id): Promise<Files> {
  const signer = await SoftwareSigner.generate('P-256')
  const csr = await buildCertificateRequest({}, signer)
  const { certificate, chain } = await issuance.issue({ csr }, callerOf(of))
  return {
    cert: [certificate, ...chain].map((one) => one.toPem()).join(''),
    key: exportPrivateKey(signer.privateKey()),
    serialNumber: certificate.serialNumber,
  }
}

const roots = root.certificate.toPem()
const first = await issue()
const second = await issue()

function write(directory: string, { cert, key }: Partial<Files>, rootText = roots): void {
  if (cert !== undefined) writeFileSync(join(directory, 'cert-chain.pem'), cert)
  if (key !== undefined) writeFileSync(join(directory, 'key.pem'), key)
  writeFileSync(join(directory, 'root-cert.pem'), rootText)
}

type Options = Partial<Parameters<typeof createFileSource>[0]>

function open(options: Options = {}, files: Partial<Files> = first) {
  const clock = new FakeClock(new Date())
  const directory = options.directory ?? newFolder()
  if (options.directory === undefined) write(directory, files)
  const source = createFileSource({ clock, ...options, directory })
  onTestFinished(() => source[Symbol.asyncDispose]())
  return { clock, directory, source }
}

/** A set whose certificate has a DNS name alone. */
async function withoutId(): Promise<{ certificate: Certificate; files: Partial<Files> }> {
  const signer = await SoftwareSigner.generate('P-256')
  const certificate = await buildCertificate(
    {
      issuer: root.certificate.subject,
      publicKey: signer.publicKey,
      notBefore: new Date(Date.now() - 1000),
      notAfter: new Date(Date.now() + 3_600_000),
      extensions: {
        subjectAltName: [generalName.dns('db.example.org')],
        authorityKeyIdentifier: root.certificate.subjectKeyIdentifier,
      },
    },
    root.signer,
  )
  return { certificate, files: { cert: certificate.toPem(), key: exportPrivateKey(signer.privateKey()) } }
}

const serial = ({ svid }: { readonly svid: { readonly leaf: { readonly serialNumber: string } } }): string =>
  svid.leaf.serialNumber

describe('createFileSource', () => {
  test('is an X509Source: the SVID, its bundle, and what TLS makes of it', async () => {
    const { source } = open({ id })
    const identity = await source.ready()
    expect(serial(identity)).toBe(first.serialNumber)
    expect(source.bundleFor(TrustDomain.from('example.org'))?.x509Authorities).toHaveLength(1)
    expect(source.bundleFor(TrustDomain.from('example.com'))).toBeUndefined()
    expect(source.status).toMatchObject({ state: 'current', lastError: undefined })
    await using tls = createTlsIdentity({ source })
    expect(serial(tls.current)).toBe(first.serialNumber)
  })

  test.each([
    ['tls.crt', 'tls.key', 'ca.crt'],
    ['svid.pem', 'svid_key.pem', 'bundle.pem'],
    ['certificates.pem', 'private_key.pem', 'ca_certificates.pem'],
    ['a.pem', 'b.pem', 'c.pem'],
  ])('finds %s, %s, %s', async (certificates, key, rootFile) => {
    const directory = newFolder()
    writeFileSync(join(directory, certificates), first.cert)
    writeFileSync(join(directory, key), first.key)
    writeFileSync(join(directory, rootFile), roots)
    const files = certificates === 'a.pem' ? { files: { certificates, key, roots: rootFile } } : {}
    expect(serial(await open({ directory, ...files }).source.ready())).toBe(first.serialNumber)
  })

  test('follows a changed set by events of the file system', async () => {
    const { source, directory, clock } = open()
    await source.ready()
    write(directory, second)
    // The event comes when it comes; what follows it waits on the clock.
    await expect
      .poll(() => {
        clock.advance(100)
        return serial(source.current)
      })
      .toBe(second.serialNumber)
  })

  test('follows it without any event, by polling', async () => {
    const { source, directory, clock } = open({ pollSeconds: 5 })
    await source.ready()
    const seen: string[] = []
    source.onChange((identity) => seen.push(serial(identity)))
    write(directory, second)
    await source.renew()
    expect(seen).toEqual([second.serialNumber])
    for (let poll = 0; poll < 5; poll++) clock.advance(5_000)
    await source.renew()
    expect(seen).toEqual([second.serialNumber])
  })

  test.each(['..data', 'a link to the directory'])('a volume that is swapped as one: %s', async (how) => {
    const place = newFolder()
    const directory = how === '..data' ? place : join(place, 'current')
    const generation = (name: string, files: Files): string => {
      mkdirSync(join(place, name))
      write(join(place, name), files)
      return name
    }
    const swap = (target: string): void => {
      symlinkSync(target, join(place, '.next'))
      renameSync(join(place, '.next'), how === '..data' ? join(place, '..data') : directory)
    }
    swap(generation('..1', first))
    if (how === '..data')
      for (const name of ['cert-chain.pem', 'key.pem', 'root-cert.pem'])
        symlinkSync(join('..data', name), join(place, name))
    const { source, clock } = open({ directory })
    await source.ready()
    swap(generation('..2', second))
    await expect
      .poll(() => {
        clock.advance(5_000)
        return serial(source.current)
      })
      .toBe(second.serialNumber)
    rmSync(join(place, '..1'), { recursive: true })
    // The second swap is noticed as the first one was (Istio #59912).
    swap(generation('..3', first))
    await expect
      .poll(() => {
        clock.advance(5_000)
        return serial(source.current)
      })
      .toBe(first.serialNumber)
  })

  test('swapped in the middle of a reading: one set or the other, never a mixture', async () => {
    const place = newFolder()
    const directory = join(place, 'current')
    for (const [name, files] of [
      ['one', first],
      ['two', second],
    ] as const) {
      mkdirSync(join(place, name))
      write(join(place, name), files)
    }
    symlinkSync('one', directory)
    const { open: openFile } = fs
    let swaps = 0
    fs.open = async (...args: Parameters<typeof openFile>) => {
      // After the certificate, before the key.
      if (String(args[0]).endsWith('key.pem') && swaps++ < 3) {
        symlinkSync(swaps % 2 === 1 ? 'two' : 'one', join(place, 'next'))
        renameSync(join(place, 'next'), directory)
      }
      return openFile(...args)
    }
    syncBuiltinESMExports()
    onTestFinished(() => {
      fs.open = openFile
      syncBuiltinESMExports()
    })
    const { source } = open({ directory })
    const { svid, privateKey } = await source.ready()
    expect(serial({ svid })).toBe(second.serialNumber)
    expect(exportPrivateKey(privateKey)).toBe(second.key)
    expect(swaps).toBeGreaterThan(3)
  })

  const cases: Readonly<Record<string, (directory: string) => void | Promise<void>>> = {
    'a key of another certificate': (directory) => write(directory, { key: second.key }),
    'a certificate of another key': (directory) => write(directory, { cert: second.cert }),
    'no key': (directory) => rmSync(join(directory, 'key.pem')),
    'an empty certificate': (directory) => write(directory, { cert: '\n' }),
    'half a certificate': (directory) => write(directory, { ...second, cert: second.cert.slice(0, 300) }),
    'no roots': (directory) => rmSync(join(directory, 'root-cert.pem')),
    'roots that are none': (directory) => write(directory, second, 'nothing'),
    'foreign roots': async (directory) =>
      write(directory, second, (await newRoot('example.org')).certificate.toPem()),
    'another identity': async (directory) =>
      write(directory, await issue('spiffe://example.org/ns/prod/sa/other')),
    'a directory in the place of a file': (directory) => {
      rmSync(join(directory, 'key.pem'))
      mkdirSync(join(directory, 'key.pem'))
    },
    'a file that is too large': (directory) => write(directory, { cert: ' '.repeat(4 * 1024 * 1024 + 1) }),
    'a dangling link': (directory) => {
      rmSync(join(directory, 'key.pem'))
      symlinkSync('nowhere', join(directory, 'key.pem'))
    },
    'a revocation list that is none': (directory) => {
      write(directory, second)
      writeFileSync(join(directory, 'ca-crl.pem'), 'nothing')
    },
  }
  test.each(Object.entries(cases))(
    '%s: refused, the old set stays, and it says why',
    async (_what, spoil) => {
      const { source, directory } = open({ id })
      await source.ready()
      await spoil(directory)
      await expect(source.renew()).rejects.toThrow(/./)
      expect(serial(source.current)).toBe(first.serialNumber)
      expect(source.status.state).toBe('failing')
      expect(source.status.lastError?.message).toMatch(/./)
      rmSync(join(directory, 'key.pem'), { recursive: true, force: true })
      rmSync(join(directory, 'ca-crl.pem'), { force: true })
      write(directory, second)
      expect(serial(await source.renew())).toBe(second.serialNumber)
      expect(source.status).toMatchObject({ state: 'current', lastError: undefined })
    },
  )

  test('a set that is refused by its dates is logged once, and not again at each attempt', async () => {
    const { logger, log } = new Told()
    const { clock, source } = open({ logger })
    clock.advance(48 * 3_600_000)
    for (let attempt = 0; attempt < 3; attempt++) {
      clock.advance(60_000)
      await expect(source.renew()).rejects.toThrow(code('ERR_SECRET_FILES'))
    }
    expect(log.filter(({ level }) => level === 'error')).toHaveLength(1)
  })

  test('a key that does not fit is refused with the number and dates of the certificate', async () => {
    const { directory, source } = open()
    await source.ready()
    write(directory, { key: second.key })
    await expect(source.renew()).rejects.toThrow(
      new RegExp(`key.pem does not match .* \\(serial number ${first.serialNumber}, valid from .* to .*\\)`),
    )
  })

  test('an expired set is none, and the files that replace it are taken while it is expired', async () => {
    const { source, directory, clock } = open()
    await source.ready()
    clock.setWallClock(new Date(clock.now() + 48 * 3_600_000))
    expect(source.status.state).toBe('expired')
    expect(() => source.current).toThrow(code('ERR_SVID_UNAVAILABLE'))
    write(directory, second)
    await expect(source.renew()).rejects.toThrow(code('ERR_SECRET_FILES'))
    clock.setWallClock(new Date())
    expect(serial(await source.renew())).toBe(second.serialNumber)
  })

  test('one root that cannot be read stops none of the others', async () => {
    const { source, directory } = open()
    const broken = roots.replace(/\n[A-Za-z0-9+/]{8}/, '\nAAAAAAAA')
    write(directory, second, broken + roots)
    expect(serial(await source.renew())).toBe(second.serialNumber)
    expect(source.current.bundle.x509Authorities).toHaveLength(1)
  })

  test('waits for files that come later, and ends what waits when it is closed', async () => {
    const directory = newFolder()
    const { source } = open({ directory })
    await expect(source.renew()).rejects.toThrow(code('ERR_SECRET_FILES'))
    expect(source.status.state).toBe('waiting')
    await expect(source.ready(AbortSignal.abort())).rejects.toThrow(code('ERR_ABORTED'))
    const waiting = source.ready()
    write(directory, first)
    await source.renew()
    expect(serial(await waiting)).toBe(first.serialNumber)
    await source[Symbol.asyncDispose]()
    await expect(source.ready()).rejects.toThrow(code('ERR_CLOSED'))
    await expect(source.secrets.get('default')).rejects.toThrow(code('ERR_CLOSED'))
  })

  test('a certificate with DNS names alone is the secret "default", and no SVID', async () => {
    const { certificate, files } = await withoutId()
    const { source } = open({}, files)
    const secret = (await source.secrets.get('default')) as CertificateSecret
    expect([secret.id, secret.certificates[0]?.serialNumber]).toEqual([undefined, certificate.serialNumber])
    expect(() => source.current).toThrow(code('ERR_SVID_UNAVAILABLE'))
  })

  test('a certificate without a SPIFFE ID takes SVID and bundle back, until there is one', async () => {
    const { source, directory } = open()
    const told: (X509Identity | undefined)[] = []
    source.onChange((identity) => told.push(identity))
    const stop = source.onWithdrawn?.(() => told.push(undefined))
    await source.ready()
    write(directory, (await withoutId()).files)
    await expect(source.renew()).rejects.toThrow(code('ERR_SVID_UNAVAILABLE'))
    const own = TrustDomain.from('example.org')
    expect(source.bundleFor(own)).toBeUndefined()
    write(directory, first)
    const again = await source.renew()
    expect(source.bundleFor(own)).toBe(again.bundle)
    expect(told).toEqual([expect.anything(), undefined, again])
    stop?.()
  })
})

describe('secrets by name', () => {
  const names = (secret: Secret): readonly (string | undefined)[] =>
    secret.type === 'certificate'
      ? secret.certificates.map(({ serialNumber }) => serialNumber)
      : secret.authorities.map(({ trustDomain }) => trustDomain?.name)

  test('those of the set', async () => {
    const { secrets } = open().source
    for (const name of ['default', id]) expect(names(await secrets.get(name))).toEqual([first.serialNumber])
    for (const name of ['ROOTCA', 'ALL', 'spiffe://example.org'])
      expect(names(await secrets.get(name))).toEqual(['example.org'])
    await expect(secrets.get('spiffe://example.com')).rejects.toThrow(code('ERR_SECRET_UNKNOWN'))
  })

  test('those of files, watched while somebody uses them', async () => {
    const { source, directory, clock } = open()
    writeFileSync(join(directory, 'other.crt'), second.cert)
    writeFileSync(join(directory, 'other.key'), second.key)
    const name = `file-cert:${join(directory, 'other.crt')}~other.key`
    expect(names(await source.secrets.get(name))).toEqual([second.serialNumber])
    expect(names(await source.secrets.get('file-root:root-cert.pem'))).toEqual([undefined])
    const end = new AbortController()
    const seen: unknown[] = []
    const watching = (async () => {
      for await (const secret of source.secrets.watch(name, end.signal)) seen.push(secret && names(secret)[0])
    })()
    await expect.poll(() => seen).toEqual([second.serialNumber])
    // Half of a change is refused: the certificate first, its key later.
    writeFileSync(join(directory, 'other.crt'), first.cert)
    clock.advance(20_000)
    writeFileSync(join(directory, 'other.key'), first.key)
    await expect
      .poll(() => {
        clock.advance(10_000)
        return seen
      })
      .toEqual([second.serialNumber, first.serialNumber])
    end.abort()
    await watching
    expect(names(await source.secrets.get(name))).toEqual([first.serialNumber])
    // What is left is the poll of the set.
    await expect.poll(() => clock.pending).toBe(1)
  })

  test('a file that is not there yet is none, and then there', async () => {
    const { source, directory, clock } = open()
    const end = new AbortController()
    const seen: unknown[] = []
    void (async () => {
      for await (const secret of source.secrets.watch('file-root:late.pem', end.signal))
        seen.push(secret?.type)
    })()
    await expect.poll(() => seen).toEqual([undefined])
    await expect(source.secrets.get('file-root:late.pem')).rejects.toThrow(code('ERR_SECRET_FILES'))
    writeFileSync(join(directory, 'late.pem'), roots)
    await expect
      .poll(() => {
        clock.advance(10_000)
        return seen
      })
      .toEqual([undefined, 'validation'])
    end.abort()
  })

  test.each([
    'file-root:/etc/ssl/certs/ca-certificates.crt',
    'file-root:../x.pem',
    'file-cert:/proc/self/environ~/proc/self/environ',
    'file-cert:cert-chain.pem',
    'file-cert:a~b~c',
    'file-cert:~',
    'file-root:',
    'file-root:a\0b',
    'file-cert:cert-chain.pem~../../key.pem',
    'FILE-ROOT:root-cert.pem',
    '',
  ])('%j is refused', async (name) => {
    const { source } = open()
    const { secrets } = source
    await expect(secrets.get(name)).rejects.toThrow(code('ERR_SECRET_UNKNOWN'))
    // As for every name that the source does not have: none, and no failure that is tried again.
    const end = new AbortController()
    const watching = secrets.watch(name, end.signal)[Symbol.asyncIterator]()
    await source.ready()
    expect(await watching.next()).toEqual({ done: false, value: undefined })
    end.abort()
    expect((await watching.next()).done).toBe(true)
  })

  test('a link out of the allowed directories is refused; one into them is read', async () => {
    const [other, beside] = [newFolder(), newFolder()]
    for (const at of [other, beside]) write(at, second)
    const { source, directory } = open({ allowedDirectories: [other] })
    for (const name of ['cert-chain.pem', 'key.pem'])
      for (const [prefix, at] of Object.entries({ in: other, out: beside }))
        symlinkSync(join(at, name), join(directory, `${prefix}-${name}`))
    symlinkSync(beside, join(directory, 'beside'))
    const of = (prefix: string) => source.secrets.get(`file-cert:${prefix}cert-chain.pem~${prefix}key.pem`)
    expect(names(await of('in-'))).toEqual([second.serialNumber])
    for (const prefix of ['out-', 'beside/'])
      await expect(of(prefix)).rejects.toThrow(
        expect.objectContaining({
          code: 'ERR_SECRET_FILES',
          message: expect.stringContaining('is a link to'),
        }),
      )
    await expect(source.secrets.get('file-root:beside/root-cert.pem')).rejects.toThrow('is a link to')
  })

  test.each(['constructor', '__proto__', 'toString'])('there is no file %s', async (name) => {
    const { secrets } = open().source
    await expect(secrets.get(`file-root:${name}`)).rejects.toThrow('is missing or empty')
  })

  test('a directory beside the set is served where it is allowed, one of a longer name not', async () => {
    const other = newFolder()
    write(other, second)
    const { secrets } = open({ allowedDirectories: [other] }).source
    const name = `file-cert:${other}/cert-chain.pem~${other}/key.pem`
    expect(names(await secrets.get(name))).toEqual([second.serialNumber])
    const beside = join(dirname(other), `${other}-2`)
    await expect(secrets.get(`file-root:${beside}/root-cert.pem`)).rejects.toThrow(code('ERR_SECRET_UNKNOWN'))
  })

  test('the roots of the system, or a sentence that there are none', async () => {
    const { secrets } = open().source
    const found = await secrets.get('file-root:system').catch((error: unknown) => error)
    if (found instanceof Error) expect(found).toEqual(code('ERR_SECRET_FILES'))
    else
      expect(
        (found as { authorities: { certificates: unknown[] }[] }).authorities[0]?.certificates.length,
      ).toBeGreaterThan(0)
  })

  for (const name of ['default', 'file-root:root-cert.pem'])
    describe(`the contract of sources of secrets: ${name}`, () => {
      const places = new WeakMap<object, () => Promise<unknown>>()
      const cases = contracts.SecretSource({
        name,
        open: () => {
          const { source, directory, clock } = open()
          places.set(source.secrets, async () => {
            write(directory, second, roots + readFileSync(join(directory, 'root-cert.pem'), 'utf8'))
            await source.renew()
            clock.advance(10_000)
          })
          return source.secrets
        },
        change: async (source) => void (await places.get(source)!()),
      })
      itKeeps(cases)
    })

  test('options that mean nothing are refused', () => {
    for (const options of [
      { directory: '' },
      { directory: '/x', pollSeconds: 0 },
      { directory: '/x', files: { certificates: '../a', key: 'b', roots: 'c' } },
      { directory: '/x', files: { certificates: 'a', key: 'b' } },
      { directory: '/x', id: undefined },
      { directory: '/x', allowedDirectories: [''] },
      { directory: '/x', dir: 'y' },
    ])
      expect(() => createFileSource(options as never)).toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  test('the text of a key in place of a file name is not shown', () => {
    const files = { certificates: 'a', key: '-----BEGIN PRIVATE KEY-----\n/secret', roots: 'c' }
    const open = (): unknown => createFileSource({ directory: '/x', files })
    expect(open).toThrow('createFileSource: files.key must be a name without a path, found a string')
    expect(open).not.toThrow('secret')
  })
})
