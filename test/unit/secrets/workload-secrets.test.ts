// The named secrets of a workload: what each name is, and what follows a change.

import { afterEach, beforeEach, expect, test } from 'vitest'
import { PkiError } from '../../../src/errors/index.ts'
import { createWorkloadSecrets } from '../../../src/secrets/index.ts'
import type { X509Source } from '../../../src/secrets/index.ts'
import type { TrustDomain } from '../../../src/spiffe/index.ts'
import { TrustBundle } from '../../../src/svid/index.ts'
import { code } from '../../support/codes.ts'
import { meshId, newRoot, openMesh } from '../../support/mesh.ts'
import type { Mesh } from '../../support/mesh.ts'

const otherId = 'spiffe://example.org/ns/prod/sa/other'
let mesh: Mesh
beforeEach(async () => {
  mesh = await openMesh([meshId, otherId])
})
afterEach(() => mesh[Symbol.asyncDispose]())

test('names: short ones, SPIFFE IDs, trust domains', async () => {
  const { secrets, sources, bundles } = mesh
  const [first, second] = sources.map(({ current }) => current.svid.certificates)
  const foreign = await newRoot('example.com')
  bundles.set(new TrustBundle('example.com', { x509Authorities: [foreign.certificate] }))
  expect(await secrets.get('default')).toMatchObject({ type: 'certificate', certificates: first })
  expect(await secrets.get(meshId)).toMatchObject({ type: 'certificate', certificates: first })
  expect(await secrets.get(otherId)).toMatchObject({ type: 'certificate', certificates: second })
  const domainsOf = async (name: string): Promise<(string | undefined)[]> => {
    const secret = await secrets.get(name)
    return secret.type === 'validation' ? secret.authorities.map(({ trustDomain }) => trustDomain?.name) : []
  }
  expect(await domainsOf('ROOTCA')).toEqual(['example.org'])
  expect(await domainsOf('spiffe://example.com')).toEqual(['example.com'])
  expect(await domainsOf('ALL')).toEqual(['example.com', 'example.org'])
  for (const name of [
    '',
    'rootca',
    'spiffe://other.org',
    'spiffe://example.org/ns/prod/sa/nobody',
    'spiffe://',
  ])
    await expect(secrets.get(name)).rejects.toThrow(code('ERR_SECRET_UNKNOWN'))
})

test('a watch follows changes, absence included, and ends with its signal', async () => {
  const end = new AbortController()
  const seen: (string | undefined)[] = []
  const watching = (async () => {
    for await (const secret of mesh.secrets.watch('spiffe://example.com', end.signal)) seen.push(secret?.name)
  })()
  await expect.poll(() => seen).toEqual([undefined])
  const { certificate } = await newRoot('example.com')
  mesh.bundles.set(new TrustBundle('example.com', { x509Authorities: [certificate] }))
  await expect.poll(() => seen.at(-1)).toBe('spiffe://example.com')
  mesh.bundles.delete('example.com')
  await expect.poll(() => seen.at(-1)).toBeUndefined()
  end.abort()
  await watching
})

test('a state is whole: there is none before every source has its SVID', async () => {
  const waiting = { onChange: () => () => undefined, bundleFor: () => undefined }
  await using secrets = createWorkloadSecrets({ sources: [mesh.sources[0]!, waiting as never] })
  expect(secrets.state).toBeUndefined()
  await expect(secrets.get('default', AbortSignal.timeout(20))).rejects.toThrow(code('ERR_ABORTED'))
})

test('an SVID that its source has lost is withdrawn, until the source has one again', async () => {
  const [first, second] = mesh.sources
  let isGone = false
  let withdraw = (): void => undefined
  const losing = Object.create(second!, {
    current: {
      get: () => {
        if (isGone) throw new PkiError('ERR_SVID_UNAVAILABLE', 'gone')
        return second!.current
      },
    },
    bundleFor: { value: (domain: TrustDomain) => (isGone ? undefined : second!.bundleFor(domain)) },
    onChange: { value: (listener: () => void) => second!.onChange(listener) },
    onWithdrawn: { value: (listener: () => void) => ((withdraw = listener), () => undefined) },
  }) as X509Source
  const idsOf = ({ state }: ReturnType<typeof createWorkloadSecrets>): string[] =>
    state!.identities.map(({ svid }) => svid.id.toString())
  await using both = createWorkloadSecrets({ sources: [losing, first!] })
  withdraw()
  expect(idsOf(both)).toEqual([otherId, meshId])
  isGone = true
  withdraw()
  expect(idsOf(both)).toEqual([meshId])
  expect(both.state!.bundles).toHaveLength(1)
  await expect(both.get(otherId)).rejects.toThrow(code('ERR_SECRET_UNKNOWN'))
  isGone = false
  await second!.renew()
  expect(idsOf(both)).toEqual([otherId, meshId])

  await using alone = createWorkloadSecrets({ sources: [losing] })
  isGone = true
  withdraw()
  expect(alone.state).toEqual({ identities: [], bundles: [], crls: [] })
})

test('revocation lists that cannot be read leave those of before in place', async () => {
  mesh.crls = await mesh.authority.issueCrls()
  let broken = false
  const crls = (): typeof mesh.crls => {
    if (broken) throw new Error('disk')
    return mesh.crls
  }
  await using secrets = createWorkloadSecrets({ sources: mesh.sources, crls })
  expect(secrets.state!.crls).toEqual(mesh.crls)
  broken = true
  secrets.update()
  expect(secrets.state!.crls).toEqual(mesh.crls)
})

test('after its end nothing is given and nothing is followed', async () => {
  await mesh.secrets[Symbol.asyncDispose]()
  await expect(mesh.secrets.get('default')).rejects.toThrow(code('ERR_CLOSED'))
  const state = mesh.secrets.state
  await mesh.sources[0]!.renew()
  expect(mesh.secrets.state).toBe(state)
})

test('slips are refused', () => {
  const [source] = mesh.sources
  const bad: unknown[] = [
    {},
    { sources: [] },
    { sources: source },
    { sources: [{}] },
    { sources: [source], bundles: undefined },
    { sources: [source], bundles: new TrustBundle('example.org') },
    { sources: [source], roots: [] },
  ]
  for (const options of bad)
    expect(() => createWorkloadSecrets(options as never)).toThrow(code('ERR_INVALID_ARGUMENT'))
})
