// The suites of witnesses, guarded fetchers and sources of a workload's state.

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, describe, expect, it } from 'vitest'
import type { AuditWitness } from '../../../src/audit/index.ts'
import { PkiError } from '../../../src/errors/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { createGuardedFetcher } from '../../../src/runtime/index.ts'
import type { GuardedFetcher } from '../../../src/runtime/index.ts'
import { createWorkloadSecrets } from '../../../src/secrets/index.ts'
import type { WorkloadSource } from '../../../src/secrets/index.ts'
import { TrustBundleSet, issueJwtSvid } from '../../../src/svid/index.ts'
import type { BundleSource } from '../../../src/svid/index.ts'
import { contracts } from '../../../src/testing/index.ts'
import { failingCases, itKeeps } from '../../support/contract.ts'
import { loopback } from '../../support/http-endpoint.ts'
import { meshId, openMesh } from '../../support/mesh.ts'
import { MemoryWitness } from '../../support/witness.ts'

const server = createServer((request, response) => {
  if (request.url === '/moved') response.writeHead(302, { location: '/keys' }).end()
  else response.setHeader('content-type', 'application/json; charset=utf-8').end('{"keys":[]}')
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
const documents = { url: `${origin}/keys`, refused: [`${origin}/moved`, 'https://169.254.169.254/'] }

const jwtSigner = await SoftwareSigner.generate('P-256')
const mesh = await openMesh([meshId, 'spiffe://example.org/ns/prod/sa/other'], {
  issueJwtSvid: (id, audience) => issueJwtSvid({ id, audience: [...audience], keyId: 'k' }, jwtSigner),
})
const change = async (): Promise<void> => void (await mesh.sources[0]!.renew())
const withoutTokens = createWorkloadSecrets({ sources: mesh.sources })

const bundle = mesh.authority.trustBundle()
const openSet = (): TrustBundleSet => new TrustBundleSet([bundle])
const changeSet = (set: BundleSource): void =>
  void (set instanceof TrustBundleSet && set.set(bundle.with({ refreshHintSeconds: 77 })))

afterAll(async () => {
  server.close()
  server.closeAllConnections()
  await withoutTokens[Symbol.asyncDispose]()
  await mesh[Symbol.asyncDispose]()
})

describe('AuditWitness: in memory', () =>
  itKeeps(contracts.AuditWitness({ open: (log) => new MemoryWitness(log) })))
describe('BundleSource: a set that changes', () =>
  itKeeps(contracts.BundleSource({ open: openSet, trustDomain: 'example.org', change: changeSet })))
describe('GuardedFetcher: of the platform', () =>
  itKeeps(contracts.GuardedFetcher({ open: () => createGuardedFetcher(loopback), ...documents })))
describe('SecretSource: the secrets of a workload', () =>
  itKeeps(contracts.SecretSource({ open: () => mesh.secrets, change, name: 'default' })))
describe('WorkloadSource: the secrets of a workload', () =>
  itKeeps(contracts.WorkloadSource({ open: () => mesh.secrets, change })))
describe('WorkloadSource: without JWT-SVIDs', () =>
  itKeeps(contracts.WorkloadSource({ open: () => withoutTokens, change })))

const history = 'refuses a checkpoint whose proof is of another history, and cosigns the right one then'
const beginsAgain = 'refuses a log that begins again'
const concurrent = 'cosigns at most one of two histories that arrive at once'
const notSigned = 'refuses a checkpoint that this log did not sign'

class Credulous extends MemoryWitness {
  protected override continues = (): boolean => true
}
class Forgetful extends MemoryWitness {
  protected override continues: MemoryWitness['continues'] = (seen, checkpoint, olderSize, proof) =>
    olderSize === 0 || super.continues(seen, checkpoint, olderSize, proof)
}
class Slow extends MemoryWitness {
  protected override beforeKeeping = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
}
class AnyLog extends MemoryWitness {
  protected override read(note: string): { readonly size: number; readonly root: Uint8Array } {
    const [, size = '', root = ''] = note.split('\n')
    return { size: Number(size), root: Buffer.from(root, 'base64') }
  }
}
class WholeNote extends MemoryWitness {
  override async cosign(...given: Parameters<AuditWitness['cosign']>): Promise<string> {
    return given[0] + (await super.cosign(...given))
  }
}

it.each<[string, new (log: AuditWitness['key']) => AuditWitness, readonly string[]]>([
  [
    'that cosigns everything',
    Credulous,
    [
      history,
      'refuses another tree of the same size',
      beginsAgain,
      'refuses a smaller checkpoint than the last one',
      concurrent,
    ],
  ],
  ['that keeps nothing where the log says that it is new', Forgetful, [beginsAgain]],
  ['that waits between check and record', Slow, [concurrent]],
  ['that does not verify the signature of the log', AnyLog, [notSigned]],
])('a witness %s fails', async (_what, Witness, names) => {
  const cases = contracts.AuditWitness({ open: (log) => new Witness(log) })
  expect(await failingCases(cases)).toEqual(names)
})

it('a witness that returns the whole note fails', async () => {
  const [first] = contracts.AuditWitness({ open: (log) => new WholeNote(log) })
  await expect(first!.run()).rejects.toThrow('not one line')
})

/** The fetcher of the platform, with another `fetch`. */
const fetcherWith = (
  fetch: (
    inner: GuardedFetcher,
    ...given: Parameters<GuardedFetcher['fetch']>
  ) => ReturnType<GuardedFetcher['fetch']>,
) => {
  const inner = createGuardedFetcher(loopback)
  return {
    fetch: (...given: Parameters<GuardedFetcher['fetch']>) => fetch(inner, ...given),
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  }
}
const shared = new Uint8Array(Buffer.from('{"keys":[]}'))
it.each<[string, () => GuardedFetcher, readonly string[]]>([
  [
    'without lower-case names',
    () =>
      fetcherWith(async (inner, ...given) => ({
        ...(await inner.fetch(...given)),
        headers: { 'Content-Type': 'application/json' },
      })),
    [
      'returns status, headers by lower-case name, the whole body and the URL',
      'refuses a response of another media type than the request allows',
    ],
  ],
  [
    'that ignores maxBytes',
    () => fetcherWith((inner, url, { maxBytes: _, ...given } = {}) => inner.fetch(url, given)),
    ['refuses a response above the maxBytes of the request'],
  ],
  [
    'that ignores contentTypes',
    () => fetcherWith((inner, url, { contentTypes: _, ...given } = {}) => inner.fetch(url, given)),
    ['refuses a response of another media type than the request allows'],
  ],
  [
    'that follows redirects',
    () => fetcherWith((inner, url, given) => inner.fetch(url.replace('/moved', '/keys'), given)),
    ['refuses what is not an allowed URL, before anything is sent'],
  ],
  [
    'that ignores the signal',
    () => fetcherWith((inner, url, { signal: _, ...given } = {}) => inner.fetch(url, given)),
    [
      'ends an aborted fetch, before and after it began',
      'fetches concurrently, and an abort ends its own fetch only',
    ],
  ],
  [
    'that hands out one body',
    () => fetcherWith(async (inner, ...given) => ({ ...(await inner.fetch(...given)), body: shared })),
    ['returns a body of its own to each caller'],
  ],
  [
    'that is never closed',
    () => ({
      ...fetcherWith((inner, ...given) => inner.fetch(...given)),
      [Symbol.asyncDispose]: async () => {},
    }),
    ['is closed when it is disposed of: fetches end, and later ones are refused'],
  ],
])('a fetcher %s fails', async (_what, open, names) => {
  expect(await failingCases(contracts.GuardedFetcher({ open, ...documents }))).toEqual(names)
})

/** The secrets of the workload, with other members. */
const sourceWith = (members: (inner: WorkloadSource) => object): WorkloadSource => {
  const inner = mesh.secrets
  return {
    get state() {
      return inner.state
    },
    onChange: (listener) => inner.onChange(listener),
    ...members(inner),
  }
}
const stateWith = (members: object): WorkloadSource =>
  Object.defineProperty(
    sourceWith(() => ({})),
    'state',
    { get: () => ({ ...mesh.secrets.state, ...members }) },
  )
const denied = (): never => {
  throw new PkiError('ERR_POLICY_DENIED', 'refused')
}
const whole = 'has a whole state: the key of each identity, and one bundle for each trust domain'
const told = 'calls every listener with the new state after a change, and not before'
const tokens = 'issues JWT-SVIDs for its identities alone, the default one first, if it issues any'
it.each<[string, () => WorkloadSource, string]>([
  ['without bundles', () => stateWith({ bundles: [] }), whole],
  ['without identities', () => stateWith({ identities: [] }), whole],
  [
    'with the keys of other identities',
    () => stateWith({ identities: swapped(mesh.secrets.state!.identities) }),
    whole,
  ],
  [
    'that calls at once',
    () =>
      sourceWith((inner) => ({
        onChange: (listener: (state: unknown) => void) => {
          listener(inner.state)
          return inner.onChange(listener)
        },
      })),
    told,
  ],
  [
    'that does not stop',
    () =>
      sourceWith((inner) => ({
        onChange: (listener: () => void) => {
          inner.onChange(listener)
          return () => undefined
        },
      })),
    'stops one listener alone, and stops it twice without effect',
  ],
  [
    'that shares its lists',
    () => {
      const identities = [...mesh.secrets.state!.identities]
      return stateWith({ identities })
    },
    'is not changed by changes to the state that it returned',
  ],
  [
    'with tokens for everybody',
    () =>
      sourceWith((inner) => ({
        fetchJwtSvids: ({ audience }: { audience: readonly string[] }) => inner.fetchJwtSvids!({ audience }),
      })),
    tokens,
  ],
  ['without tokens of its own', () => sourceWith(() => ({ fetchJwtSvids: async () => denied() })), tokens],
])('a source %s fails', async (_what, open, name) => {
  expect(await failingCases(contracts.WorkloadSource({ open, change }))).toContain(name)
})

function swapped<T extends { readonly privateKey: unknown }>(identities: readonly T[]): readonly T[] {
  return identities.map((one, at) => ({ ...one, privateKey: identities.at(at - 1)!.privateKey }))
}

it.each<[string, (set: TrustBundleSet) => BundleSource['onChange'], string]>([
  [
    'that calls at once',
    (set) => (listener) => {
      listener()
      return set.onChange(listener)
    },
    'calls every listener after a change, when it has the new bundle already',
  ],
  [
    'that does not stop',
    (set) => (listener) => {
      set.onChange(listener)
      return () => undefined
    },
    'stops one listener alone, and stops it twice without effect',
  ],
])('a source of bundles %s fails', async (_what, onChange, name) => {
  const open = () => {
    const set = openSet()
    return { set, bundleFor: set.bundleFor.bind(set), onChange: onChange(set)! }
  }
  const changed = (source: BundleSource): void => changeSet((source as ReturnType<typeof open>).set)
  const cases = contracts.BundleSource({ open, trustDomain: 'example.org', change: changed })
  expect(await failingCases(cases)).toContain(name)
})

it.each<[string, object, string]>([
  ['that has every name', { get: () => mesh.secrets.get('default') }, 'refuses a name that it does not have'],
  ['that lists none', { async *watchNames() {} }, 'lists every name, if it lists names'],
])('a source of secrets %s fails', async (_what, members, name) => {
  const { secrets } = mesh
  const open = () => ({
    get: secrets.get.bind(secrets),
    watch: secrets.watch.bind(secrets),
    watchNames: secrets.watchNames.bind(secrets),
    ...members,
  })
  const failed = await failingCases(contracts.SecretSource({ open, change, name: 'default' }))
  expect(failed).toContainEqual(expect.stringContaining(name))
})
