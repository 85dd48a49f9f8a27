// go-spiffe's client of the Workload API against our server.

import { spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createWorkloadApiServer } from '../../src/adapters/grpc/workload-api/index.ts'
import type { LocalServer } from '../../src/adapters/grpc/local-server/index.ts'
import { SoftwareSigner } from '../../src/keys/index.ts'
import { JwtAuthority, TrustBundle, issueJwtSvid } from '../../src/svid/index.ts'
import { meshId, newRoot, openMesh } from '../support/mesh.ts'
import type { Mesh } from '../support/mesh.ts'
import { requires } from '../support/requires.ts'

interface Line {
  readonly event?: string
  readonly error?: string
  readonly [field: string]: unknown
}

describe.skipIf(!requires('go'))('go-spiffe', () => {
  let mesh: Mesh
  let server: LocalServer
  let client: ReturnType<typeof spawn>
  /** Not that of the mesh, whose rotation of the root makes a bundle of roots alone. */
  let authority: JwtAuthority
  const lines: Line[] = []
  const last = (event: string): Line | undefined => lines.findLast((line) => line.event === event)

  beforeAll(async () => {
    const source = new URL('go-spiffe/', import.meta.url)
    const directory = join(tmpdir(), 'spiffe-pki-go-spiffe')
    mkdirSync(directory, { recursive: true })
    cpSync(source, directory, { recursive: true })
    const built = spawnSync('go', ['build', '-mod=mod', '-o', 'client', '.'], {
      cwd: directory,
      encoding: 'utf8',
    })
    expect(built.stderr).not.toContain('cannot')
    expect(built.status).toBe(0)
    const jwtKey = await SoftwareSigner.generate('P-256')
    mesh = await openMesh([meshId], {
      issueJwtSvid: (id, audience) => issueJwtSvid({ id, audience: [...audience], keyId: 'k1' }, jwtKey),
    })
    authority = JwtAuthority.from('k1', jwtKey.publicKey)
    mesh.bundles.set(mesh.bundles.bundles[0]!.with({ jwtAuthorities: [authority] }))
    server = await createWorkloadApiServer({ address: mesh.address, workload: mesh.secrets })
    client = spawn(join(directory, 'client'), [server.address], { stdio: ['pipe', 'pipe', 'inherit'] })
    createInterface({ input: client.stdout! }).on('line', (line) => lines.push(JSON.parse(line) as Line))
  }, 600_000)

  afterAll(async () => {
    client?.kill('SIGKILL')
    await server?.close(0)
    await mesh?.[Symbol.asyncDispose]()
  })

  const say = (command: string): void => void client.stdin!.write(`${command}\n`)
  const serial = (): string =>
    mesh.sources[0]!.current.svid.leaf.serialNumber.toLowerCase().replace(/^0+/, '')

  test('takes our X.509-SVID, and each one after it', async () => {
    await expect.poll(() => last('x509')).toMatchObject({ ids: [meshId], serials: [serial()] })
    for (let rotation = 0; rotation < 3; rotation++) {
      await mesh.sources[0]!.renew()
      await expect.poll(() => last('x509')?.['serials']).toEqual([serial()])
    }
    await mesh.rotateRoot()
    await expect.poll(() => last('x509')?.['serials']).toEqual([serial()])
    expect(lines.filter(({ error }) => error !== undefined)).toEqual([])
  })

  test('takes federated bundles, and their end', async () => {
    const { certificate } = await newRoot('example.com')
    mesh.bundles.set(new TrustBundle('example.com', { x509Authorities: [certificate] }))
    const domains = (): unknown => (last('x509')?.['domains'] as string[] | undefined)?.toSorted()
    await expect.poll(domains).toEqual(['example.com', 'example.org'])
    mesh.bundles.delete('example.com')
    await expect.poll(domains).toEqual(['example.org'])
  })

  test('takes bundles of both kinds, JWT-SVIDs, and our word on JWT-SVIDs', async () => {
    const own = mesh.bundles.bundles[0]!
    const key = await SoftwareSigner.generate('P-256')
    mesh.bundles.set(own.with({ jwtAuthorities: [authority, JwtAuthority.from('k2', key.publicKey)] }))
    say('bundles')
    await expect.poll(() => last('bundles')).toMatchObject({ x509: 1, jwt: 1 })
    say('jwt db')
    await expect.poll(() => last('jwt')).toMatchObject({ id: meshId })
    say(`validate ${String(last('jwt')!['token'])} db`)
    await expect.poll(() => last('validate')).toMatchObject({ id: meshId })
    expect(lines.filter(({ error }) => error !== undefined)).toEqual([])
  })
})
