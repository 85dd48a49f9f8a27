// The configured bundles of an X.509 source: who is told of a change, and what a CA answers never replaces.

import { EventEmitter } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { createTlsIdentity } from '../../../src/adapters/tls/index.ts'
import { createCertificateAuthority } from '../../../src/ca/index.ts'
import type { CertificateAuthority } from '../../../src/ca/index.ts'
import { PkiError } from '../../../src/errors/index.ts'
import { createIssuanceService } from '../../../src/issuance/index.ts'
import { createX509Source, localCaClient } from '../../../src/secrets/index.ts'
import type { X509Source } from '../../../src/secrets/index.ts'
import { TrustDomain } from '../../../src/spiffe/index.ts'
import { TrustBundle, TrustBundleSet } from '../../../src/svid/index.ts'
import type { BundleSource } from '../../../src/svid/index.ts'
import { code } from '../../support/codes.ts'
import { meshId as id, newRoot } from '../../support/mesh.ts'
import { callerOf } from '../../support/pki.ts'

const own = TrustDomain.parse('example.org')
const foreign = TrustDomain.parse('example.com')
let authority: CertificateAuthority
beforeEach(async () => {
  authority = createCertificateAuthority({ trustDomain: own.name, ...(await newRoot(own.name)) })
})

async function follow(bundles: BundleSource): Promise<{ source: X509Source; told: TrustBundle[] }> {
  const ca = localCaClient(createIssuanceService({ authority }), callerOf(id))
  const source = createX509Source({ ca, id, bundles })
  onTestFinished(() => source[Symbol.asyncDispose]())
  await source.ready()
  const told: TrustBundle[] = []
  source.onChange(({ bundle }) => told.push(bundle))
  return { source, told }
}

/** The roots of an authority, and one more. */
async function withAnotherRoot(): Promise<TrustBundle> {
  const { certificate } = await newRoot(own.name)
  return new TrustBundle(own, { x509Authorities: [...authority.roots, certificate] })
}

describe('a change of configured bundles', () => {
  test('is told of at once, with the roots of the own trust domain, and once for a turn', async () => {
    const bundles = new TrustBundleSet([authority.trustBundle()])
    const { source, told } = await follow(bundles)
    expect(source.current.bundle).toBe(authority.trustBundle())
    const next = await withAnotherRoot()
    const { svid } = source.current
    bundles.set(next)
    bundles.set(new TrustBundle(foreign))
    await turn()
    expect(told).toEqual([next])
    expect(source.current).toMatchObject({ svid, bundle: next })
    bundles.delete(foreign)
    await turn()
    expect(told).toEqual([next, next])
  })

  test('of an authority in this process too', async () => {
    const { told } = await follow(authority)
    const next = await newRoot(own.name)
    const both = [...authority.roots, next.certificate]
    await authority.rotate({ ...next, roots: both })
    await turn()
    expect(told.map(({ x509Authorities }) => x509Authorities.length)).toEqual([2])
  })

  test('a source of bundles that tells of nothing is read at each use', async () => {
    let bundle = authority.trustBundle()
    const { source, told } = await follow({ bundleFor: () => bundle })
    bundle = await withAnotherRoot()
    await turn()
    expect(told).toEqual([])
    expect(source.bundleFor(own)).toBe(bundle)
  })

  test('after the end of the source nobody is told', async () => {
    const bundles = new TrustBundleSet([authority.trustBundle()])
    const { source, told } = await follow(bundles)
    bundles.set(await withAnotherRoot())
    await source[Symbol.asyncDispose]()
    bundles.set(authority.trustBundle())
    await turn()
    expect(told).toEqual([])
  })

  test('a listener that throws keeps it from nobody', async () => {
    const bundles = new TrustBundleSet([authority.trustBundle()])
    const { source } = await follow(bundles)
    source.onChange(() => {
      throw new Error('mine')
    })
    const told: TrustBundle[] = []
    source.onChange(({ bundle }) => told.push(bundle))
    bundles.set(await withAnotherRoot())
    await turn()
    expect(told).toHaveLength(1)
  })

  test('ends the connections that a removed root had let in', async () => {
    const bundles = new TrustBundleSet([authority.trustBundle(), new TrustBundle(foreign)])
    const { source } = await follow(bundles)
    const identity = createTlsIdentity({ source })
    onTestFinished(() => identity[Symbol.asyncDispose]())
    let isClosed = false
    identity.connections.add({
      socket: new EventEmitter() as Partial<TLSSocket> as TLSSocket,
      peer: { id: source.current.svid.id, chain: [] },
      recheck: () => (bundles.has(foreign) ? undefined : new PkiError('ERR_TLS_PEER', 'no bundle')),
      close: () => void (isClosed = true),
    })
    bundles.set(await withAnotherRoot())
    await turn()
    expect(isClosed).toBe(false)
    bundles.delete(foreign)
    await expect.poll(() => isClosed).toBe(true)
  })
})

describe('the own trust domain, once it is configured', () => {
  test('is not trusted by an answer of the CA after an operator has removed it', async () => {
    const bundles = new TrustBundleSet([authority.trustBundle()])
    const { source, told } = await follow(bundles)
    bundles.delete(own)
    expect(source.bundleFor(own)).toBeUndefined()
    await turn()
    expect(told.map(({ isEmpty }) => isEmpty)).toEqual([true])
    await expect(source.renew()).rejects.toThrow(code('ERR_CA_REPLY'))
    bundles.set(authority.trustBundle())
    expect((await source.renew()).bundle).toBe(authority.trustBundle())
  })

  test('where it never was, the answer of the CA counts', async () => {
    const { source } = await follow(new TrustBundleSet([new TrustBundle(foreign)]))
    expect(source.bundleFor(own)?.x509Authorities).toHaveLength(1)
    expect(source.bundleFor(TrustDomain.parse('example.net'))).toBeUndefined()
  })
})
