// The sink: one whole set at any moment, rewritten at each renewal and change of roots, with the permissions
// that were asked for.

import { readFileSync, readdirSync, readlinkSync, statSync, writeFileSync } from 'node:fs'
import fs from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createFileSink, createFileSource } from '../../../../src/adapters/files/index.ts'
import { PkiError } from '../../../../src/errors/index.ts'
import { PublicKey, Certificate } from '../../../../src/x509/index.ts'
import { importPrivateKey } from '../../../../src/keys/index.ts'
import { createX509Source, localCaClient } from '../../../../src/secrets/index.ts'
import type { X509Source } from '../../../../src/secrets/index.ts'
import { TrustBundle } from '../../../../src/svid/index.ts'
import { FakeClock } from '../../../../src/testing/index.ts'
import { code } from '../../../support/codes.ts'
import { meshId, newRoot, openMesh } from '../../../support/mesh.ts'
import type { Mesh } from '../../../support/mesh.ts'
import { callerOf } from '../../../support/pki.ts'
import { temporaryFolders } from '../../../support/temporary.ts'

const newFolder = temporaryFolders('file-sink-')
let mesh: Mesh
beforeAll(async () => {
  mesh = await openMesh()
})
afterAll(async () => mesh[Symbol.asyncDispose]())
const source = (): X509Source => mesh.sources[0]!

const files = ['cert-chain.pem', 'key.pem', 'root-cert.pem'] as const
const read = (directory: string, name: string): string => readFileSync(join(directory, name), 'utf8')

/** The serial number of a set that is whole: the key is that of the certificate. */
function serialOf(directory: string): string {
  const [certificate, key, roots] = files.map((name) => read(directory, name))
  const leaf = Certificate.listFromPem(certificate!)[0]!
  expect(PublicKey.from(importPrivateKey(key!)).equals(leaf.publicKey)).toBe(true)
  expect(Certificate.listFromPem(roots!).length).toBeGreaterThan(0)
  return leaf.serialNumber
}

const current = (): string => source().current.svid.leaf.serialNumber

describe('createFileSink', () => {
  test('writes the set, and again at each renewal; the set of before is gone', async () => {
    const directory = join(newFolder(), 'certs')
    const told: string[] = []
    await using sink = await createFileSink({
      source: source(),
      directory,
      onWritten: (at) => void told.push(at),
    })
    expect(serialOf(directory)).toBe(current())
    for (let renewal = 0; renewal < 3; renewal++) {
      await source().renew()
      await expect.poll(() => serialOf(directory)).toBe(current())
    }
    await expect.poll(() => told).toEqual([directory, directory, directory, directory])
    expect(sink.lastError).toBeUndefined()
    expect(readdirSync(directory).filter((name) => name.startsWith('..set-'))).toHaveLength(1)
  })

  test.each([
    [undefined, 0o600, 0o700],
    [0o640, 0o640, 0o750],
    [0o644, 0o644, 0o755],
  ])('mode %o: files %o, directory %o, whatever the umask', async (mode, fileMode, directoryMode) => {
    const before = process.umask(0o077)
    onTestFinished(() => void process.umask(before))
    const directory = newFolder()
    await using _sink = await createFileSink({ source: source(), directory, ...(mode && { mode }) })
    for (const name of files) expect(statSync(join(directory, name)).mode & 0o777).toBe(fileMode)
    expect(statSync(join(directory, '..data')).mode & 0o777).toBe(directoryMode)
  })

  test('is what the file source reads', async () => {
    const directory = newFolder()
    await using _sink = await createFileSink({ source: source(), directory })
    await using reader = createFileSource({ directory, id: meshId })
    await reader.ready()
    await source().renew()
    await expect.poll(() => reader.renew().then(({ svid }) => svid.leaf.serialNumber)).toBe(current())
  })

  test('a root that is added or removed is written at once, in one set with its certificate', async () => {
    const directory = newFolder()
    await using own = await openMesh()
    const [following] = own.sources
    const told: number[] = []
    const rootsIn = (): number => read(directory, 'root-cert.pem').split('BEGIN').length - 1
    const onWritten = (): void => void told.push(rootsIn())
    await using _sink = await createFileSink({ source: following!, directory, onWritten })
    const { serialNumber } = following!.current.svid.leaf
    const { certificate } = await newRoot('example.org')
    const both = [...own.authority.roots, certificate]
    own.bundles.set(new TrustBundle('example.org', { x509Authorities: both }))
    await expect.poll(() => told).toEqual([1, 2])
    own.bundles.set(own.authority.trustBundle())
    await expect.poll(() => told).toEqual([1, 2, 1])
    expect(serialOf(directory)).toBe(serialNumber)
    // That of another trust domain is in no file.
    own.bundles.set(new TrustBundle('example.com', { x509Authorities: [certificate] }))
    // Removed altogether: nobody is trusted.
    own.bundles.delete('example.org')
    await expect.poll(() => told).toEqual([1, 2, 1, 0])
  })

  test('the same set is not written again, and after a restart the program is not told again', async () => {
    const directory = newFolder()
    let told = 0
    const options = { source: source(), directory, onWritten: () => void told++ }
    await (await createFileSink(options))[Symbol.asyncDispose]()
    const before = readlinkSync(join(directory, '..data'))
    await (await createFileSink(options))[Symbol.asyncDispose]()
    expect([told, readlinkSync(join(directory, '..data'))]).toEqual([1, before])
  })

  test('a failing writer keeps the old set, says why, and tries again', async () => {
    const directory = newFolder()
    const clock = new FakeClock()
    await using sink = await createFileSink({ source: source(), directory, clock })
    const old = current()
    const { rename } = fs
    const restore = (): void => {
      fs.rename = rename
      syncBuiltinESMExports()
    }
    onTestFinished(restore)
    fs.rename = () => Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' }))
    syncBuiltinESMExports()
    await source().renew()
    await expect.poll(() => sink.lastError).toEqual(code('ERR_SECRET_FILES'))
    expect(serialOf(directory)).toBe(old)
    restore()
    clock.advance(10_000)
    await expect.poll(() => serialOf(directory)).toBe(current())
    await expect.poll(() => sink.lastError).toBeUndefined()
  })

  test('a set that failed is not written over a newer one', async () => {
    const directory = newFolder()
    const clock = new FakeClock()
    await using sink = await createFileSink({ source: source(), directory, clock })
    const { rename } = fs
    const restore = (): void => {
      fs.rename = rename
      syncBuiltinESMExports()
    }
    onTestFinished(restore)
    fs.rename = () => Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' }))
    syncBuiltinESMExports()
    await source().renew()
    await expect.poll(() => sink.lastError).toEqual(code('ERR_SECRET_FILES'))
    restore()
    await source().renew()
    await expect.poll(() => sink.lastError).toBeUndefined()
    expect(serialOf(directory)).toBe(current())
    expect(clock.pending).toBe(0)
  })

  test('files of an SVID that the source has lost stay, and the sink says so', async () => {
    const directory = newFolder()
    const known = source()
    let isGone = false
    let roots = mesh.authority.trustBundle()
    let withdraw = (): void => undefined
    const losing = Object.create(known, {
      current: {
        get: () => {
          if (isGone) throw new PkiError('ERR_SVID_UNAVAILABLE', 'gone')
          return known.current
        },
      },
      bundleFor: { value: () => roots },
      onChange: { value: (listener: () => void) => known.onChange(listener) },
      onWithdrawn: { value: (listener: () => void) => ((withdraw = listener), () => undefined) },
    }) as X509Source
    await using sink = await createFileSink({ source: losing, directory })
    const before = current()
    roots = roots.with({
      x509Authorities: [...roots.x509Authorities, (await newRoot('example.org')).certificate],
    })
    withdraw()
    await expect.poll(() => read(directory, 'root-cert.pem').split('BEGIN').length - 1).toBe(2)
    expect(sink.lastError).toBeUndefined()
    isGone = true
    withdraw()
    expect(sink.lastError).toEqual(code('ERR_SVID_UNAVAILABLE'))
    expect(serialOf(directory)).toBe(before)
    isGone = false
    await known.renew()
    await expect.poll(() => serialOf(directory)).toBe(current())
    expect(sink.lastError).toBeUndefined()
  })

  test('what onWritten throws disturbs nothing', async () => {
    const directory = newFolder()
    const onWritten = (): Promise<void> => Promise.reject(new Error('nginx is not there'))
    await using _sink = await createFileSink({ source: source(), directory, onWritten })
    expect(serialOf(directory)).toBe(current())
  })

  test('an onWritten that never ends does not keep the next set from being written', async () => {
    const directory = newFolder()
    const clock = new FakeClock(new Date())
    let calls = 0
    const onWritten = (): Promise<void> => (++calls === 2 ? new Promise(() => undefined) : Promise.resolve())
    await using _sink = await createFileSink({ source: source(), directory, clock, onWritten })
    await source().renew()
    await expect.poll(() => calls).toBe(2)
    await source().renew()
    clock.advance(30_000)
    await expect.poll(() => serialOf(directory)).toBe(current())
    await expect.poll(() => calls).toBe(3)
  })

  test('refuses a source without an SVID, and options that mean nothing', async () => {
    const never = createX509Source({ ca: { issue: () => new Promise(() => undefined) }, id: meshId })
    onTestFinished(() => never[Symbol.asyncDispose]())
    const directory = newFolder()
    await expect(createFileSink({ source: never, directory })).rejects.toThrow(code('ERR_SVID_UNAVAILABLE'))
    for (const options of [
      { directory: '' },
      { mode: undefined },
      { mode: 0o1000 },
      { mode: '600' },
      { source: {} },
      { dir: 'x' },
    ])
      await expect(createFileSink({ source: source(), directory, ...options } as never)).rejects.toThrow(
        code('ERR_INVALID_ARGUMENT'),
      )
    await using fresh = createX509Source({ ca: localCaClient(mesh.issuance, callerOf(meshId)), id: meshId })
    await fresh.ready()
    writeFileSync(join(directory, 'file'), '')
    await expect(createFileSink({ source: fresh, directory: join(directory, 'file') })).rejects.toThrow(
      code('ERR_SECRET_FILES'),
    )
  })
})

/** Every call that changes the file system fails from the n-th on, as if the process were gone. */
async function dieAt(step: number): Promise<{ readonly steps: () => number; readonly restore: () => void }> {
  const { mkdir, open, rename, rm, symlink } = fs
  const handle = await open(tmpdir(), 'r')
  const prototype = Object.getPrototypeOf(handle) as FileHandle
  await handle.close()
  const { chmod, sync, writeFile } = prototype
  let steps = 0
  const dying = <Call extends (...args: never[]) => unknown>(call: Call): Call =>
    function (this: unknown, ...args: never[]) {
      if (++steps >= step) return Promise.reject(new Error('killed'))
      return call.apply(this, args)
    } as unknown as Call
  Object.assign(fs, {
    mkdir: dying(mkdir),
    rename: dying(rename),
    rm: dying(rm),
    symlink: dying(symlink),
    open: dying(open),
  })
  Object.assign(prototype, { chmod: dying(chmod), sync: dying(sync), writeFile: dying(writeFile) })
  syncBuiltinESMExports()
  return {
    steps: () => steps,
    restore: () => {
      Object.assign(fs, { mkdir, open, rename, rm, symlink })
      Object.assign(prototype, { chmod, sync, writeFile })
      syncBuiltinESMExports()
    },
  }
}

describe('a process that dies at any step of a write', () => {
  const beginnings: Readonly<Record<string, (directory: string) => Promise<string | undefined>>> = {
    'an empty directory': async () => undefined,
    'a set of before': async (directory) => {
      await (await createFileSink({ source: source(), directory }))[Symbol.asyncDispose]()
      return current()
    },
    'files that another program wrote': async (directory) => {
      const { cert, key, certificate } = await mesh.credentialsOf(meshId)
      writeFileSync(join(directory, 'cert-chain.pem'), cert)
      writeFileSync(join(directory, 'key.pem'), key)
      writeFileSync(join(directory, 'root-cert.pem'), mesh.authority.roots[0]!.toPem())
      return certificate.serialNumber
    },
  }
  test.each(Object.entries(beginnings))('%s: the old set or the new one, whole', async (_what, begin) => {
    let seen = 0
    for (let step = 1; ; step++) {
      const directory = newFolder()
      const old = await begin(directory)
      await source().renew()
      const dying = await dieAt(step)
      const written = await createFileSink({ source: source(), directory })
        .then((sink) => sink[Symbol.asyncDispose]())
        .then(
          () => true,
          () => false,
        )
      dying.restore()
      const names = files.filter((name) => readableAt(directory, name))
      if (names.length > 0 || old !== undefined) {
        expect(names).toEqual(files)
        expect([old, current()]).toContain(serialOf(directory))
      }
      // The next writer removes what was left.
      await (await createFileSink({ source: source(), directory }))[Symbol.asyncDispose]()
      expect(serialOf(directory)).toBe(current())
      expect(
        readdirSync(directory).filter((name) => /^\.\.(set|link)-/.test(name)).length,
      ).toBeLessThanOrEqual(written ? 1 : 99)
      seen = step
      if (written) break
    }
    expect(seen).toBeGreaterThan(15)
  })
})

function readableAt(directory: string, name: string): boolean {
  try {
    return read(directory, name) !== ''
  } catch {
    return false
  }
}
