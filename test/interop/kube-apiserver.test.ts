// Tokens of a real Kubernetes (kube-apiserver and etcd): verified here by its discovery and keys, reviewed by
// it, and exchanged for an SVID.

import { generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createCertificateClient } from '../../src/adapters/grpc/index.ts'
import {
  KubernetesTokenAuthenticator,
  TokenReviewAuthenticator,
  requireCaller,
} from '../../src/auth/index.ts'
import type { Authenticator, Caller } from '../../src/auth/index.ts'
import { systemClock } from '../../src/runtime/index.ts'
import type { GuardedFetcher } from '../../src/runtime/index.ts'
import { X509SvidValidator } from '../../src/svid/index.ts'
import { FakeClock } from '../../src/testing/index.ts'
import { code } from '../support/codes.ts'
import { GoProgram } from '../support/go-program.ts'
import { istiodName, startIstiodLike } from '../support/istiod-like.ts'
import { startEtcd, startKubeCluster } from '../support/kube-cluster.ts'
import type { Etcd, KubeCluster } from '../support/kube-cluster.ts'
import { newRequest } from '../support/pki.ts'
import { temporaryFolders } from '../support/temporary.ts'
import { makeToken, requestWith } from '../support/tokens.ts'
import type { TokenKey } from '../support/tokens.ts'

const newFolder = temporaryFolders('kube-')
const programs = {
  etcd: new GoProgram('kube-apiserver', { target: 'go.etcd.io/etcd/server/v3', isHeavy: true }),
  server: new GoProgram('kube-apiserver', { target: 'k8s.io/kubernetes/cmd/kube-apiserver', isHeavy: true }),
}
const audience = 'spiffe-pki'
const account = 'prod/api'
const identity = 'spiffe://cluster.local/ns/prod/sa/api'
const rbac = '/apis/rbac.authorization.k8s.io/v1'

describe.skipIf(!programs.server.isAvailable || !programs.etcd.isAvailable)('Kubernetes', () => {
  let etcd: Etcd
  let clusters: readonly [one: KubeCluster, two: KubeCluster]
  let one: KubeCluster
  let two: KubeCluster
  /** Of our CA in each cluster: its account may review tokens. */
  let own: readonly string[]
  const open: AsyncDisposable[] = []

  beforeAll(async () => {
    const [etcdBinary, serverBinary] = [await programs.etcd.build(), await programs.server.build()]
    etcd = await startEtcd(etcdBinary, newFolder())
    one = await startKubeCluster(serverBinary, newFolder(), etcd)
    // As with Kubernetes' own default, several clusters have one issuer; and here our audience is one of the
    // API server's own.
    two = await startKubeCluster(serverBinary, newFolder(), etcd, {
      issuer: one.server,
      apiAudiences: [one.server, audience],
    })
    clusters = [one, two]
    own = await Promise.all(clusters.map(prepare))
  }, 1_800_000)

  beforeEach(() => async () => {
    for (const each of open.splice(0)) await each[Symbol.asyncDispose]()
  })

  afterAll(async () => {
    for (const each of [two, one, etcd]) await each?.[Symbol.asyncDispose]()
  })

  /** The accounts, and a token for our CA. */
  async function prepare(cluster: KubeCluster): Promise<string> {
    for (const [namespace, name] of [
      ['prod', 'api'],
      ['ca', 'ca'],
      ['ca', 'nobody'],
    ] as const) {
      await cluster.request('POST', '/api/v1/namespaces', { metadata: { name: namespace } })
      await cluster.create(`/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: { name } })
    }
    await cluster.create('/api/v1/nodes', { metadata: { name: 'node-1' } })
    await mayReview(cluster, 'ca')
    return cluster.tokenOf('ca/ca', { expirationSeconds: 7_200 })
  }

  const mayReview = (cluster: KubeCluster, name: string): Promise<unknown> =>
    cluster.create(`${rbac}/clusterrolebindings`, {
      metadata: { name: `reviews-${name}` },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:auth-delegator' },
      subjects: [{ kind: 'ServiceAccount', namespace: 'ca', name }],
    })

  const keep = <T extends AsyncDisposable>(value: T): T => {
    open.push(value)
    return value
  }

  function local(options: object = {}, fetchers: readonly GuardedFetcher[] = fetchersOf(own)): Authenticator {
    return keep(
      new KubernetesTokenAuthenticator({
        trustDomain: 'cluster.local',
        audience,
        clusters: [
          { name: 'one', issuer: one.server, fetcher: keep(fetchers[0]!) },
          {
            name: 'two',
            issuer: one.server,
            jwksUri: `${two.server}/openid/v1/jwks`,
            fetcher: keep(fetchers[1]!),
          },
        ],
        ...options,
      }),
    )
  }

  function reviewed(options: object = {}, tokens: readonly string[] = own): Authenticator {
    const [first, second] = fetchersOf(tokens).map(keep) as [GuardedFetcher, GuardedFetcher]
    return keep(
      new TokenReviewAuthenticator({
        trustDomain: 'cluster.local',
        audience,
        clusters: [
          { name: 'one', server: one.server, fetcher: first },
          { name: 'two', server: two.server, fetcher: second },
        ],
        cacheSeconds: 0,
        ...options,
      }),
    )
  }

  const fetchersOf = (tokens: readonly (string | undefined)[]): GuardedFetcher[] =>
    clusters.map((cluster, at) => cluster.fetcherWith(tokens[at]))

  const ask = (authenticator: Authenticator, token: string, clusterid = 'one'): Promise<Caller> =>
    requireCaller(authenticator, requestWith({ authorization: `Bearer ${token}`, clusterid }))

  const refusal = (authenticator: Authenticator, token: string, clusterid?: string): Promise<unknown> =>
    ask(authenticator, token, clusterid).then(
      (caller) => caller,
      (error: unknown) => error,
    )

  let pods = 0
  /** A pod on `node-1`, and its token. */
  async function newPod(cluster = one): Promise<{ name: string; uid: string; token: string }> {
    const { metadata } = await cluster.create('/api/v1/namespaces/prod/pods', {
      metadata: { name: `api-${++pods}` },
      spec: { serviceAccountName: 'api', nodeName: 'node-1', containers: [{ name: 'c', image: 'x' }] },
    })
    const { name, uid } = metadata!
    const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name, uid }
    return { name, uid, token: await cluster.tokenOf(account, { audiences: [audience], boundObjectRef }) }
  }

  const deletePod = async (name: string): Promise<void> => {
    const path = `/api/v1/namespaces/prod/pods/${name}?gracePeriodSeconds=0`
    expect((await one.request('DELETE', path)).status).toBe(200)
  }

  const keyOf = async (cluster: KubeCluster): Promise<TokenKey> => {
    const fetcher = keep(cluster.fetcherWith(own[clusters.indexOf(cluster)]))
    const { body } = await fetcher.fetch(`${cluster.server}/openid/v1/jwks`)
    const { keys } = JSON.parse(new TextDecoder().decode(body)) as { keys: readonly TokenKey[] }
    return { ...keys[0]!, alg: 'ES256', privateKey: cluster.privateKey }
  }

  /** Another signature of the same length, or another text that was signed. */
  const tampered = (token: string): string[] => {
    const [header, claims, signature] = token.split('.') as [string, string, string]
    const other = JSON.parse(Buffer.from(claims, 'base64url').toString()) as Record<string, unknown>
    const changed = Buffer.from(JSON.stringify({ ...other, exp: 4e9 })).toString('base64url')
    return [`${header}.${changed}.${signature}`, `${header}.${claims}.${'A'.repeat(signature.length)}`]
  }

  /** A token from a Secret, as Kubernetes' controller writes it: by hand, because no controller runs. */
  async function legacyToken(cluster: KubeCluster): Promise<string> {
    const path = '/api/v1/namespaces/prod'
    const { body } = await cluster.request('GET', `${path}/serviceaccounts/api`)
    const prefix = 'kubernetes.io/serviceaccount'
    const token = makeToken(await keyOf(cluster), {
      iss: 'kubernetes/serviceaccount',
      sub: 'system:serviceaccount:prod:api',
      [`${prefix}/namespace`]: 'prod',
      [`${prefix}/secret.name`]: 'api-token',
      [`${prefix}/service-account.name`]: 'api',
      [`${prefix}/service-account.uid`]: body.metadata!.uid,
    })
    await cluster.create(`${path}/secrets`, {
      metadata: { name: 'api-token', annotations: { 'kubernetes.io/service-account.name': 'api' } },
      type: 'kubernetes.io/service-account-token',
      stringData: { token, namespace: 'prod' },
    })
    return token
  }

  describe.each([
    ['verified here', local],
    ['reviewed', reviewed],
  ])('a token that is %s', (_, make) => {
    it('of a pod: its account, its pod, its node, its cluster', async () => {
      const { name, uid, token } = await newPod()
      const caller = await ask(make(), token)
      expect(caller.identities.map(String)).toEqual([identity])
      expect(caller.kubernetes).toEqual({
        namespace: 'prod',
        serviceAccount: 'api',
        podName: name,
        podUid: uid,
        nodeName: 'node-1',
        cluster: 'one',
      })
    })

    it('bound to nothing, to a node or to a Secret: the account, and no pod', async () => {
      const authenticator = make()
      const { metadata } = await one.create('/api/v1/namespaces/prod/secrets', {
        metadata: { generateName: 's' },
      })
      const node = (await one.request('GET', '/api/v1/nodes/node-1')).body.metadata!
      const bound = { apiVersion: 'v1', uid: metadata!.uid, name: metadata!.name, kind: 'Secret' }
      for (const boundObjectRef of [
        undefined,
        bound,
        { ...bound, kind: 'Node', name: 'node-1', uid: node.uid },
      ]) {
        const token = await one.tokenOf(account, { audiences: ['other', audience], boundObjectRef })
        const caller = await ask(authenticator, token)
        const nodeName = boundObjectRef?.kind === 'Node' ? { nodeName: 'node-1' } : {}
        const plain = { namespace: 'prod', serviceAccount: 'api', cluster: 'one', ...nodeName }
        expect(caller.kubernetes).toEqual(plain)
      }
    })

    it('for another audience, for the API server, tampered with, or of another key: refused', async () => {
      const authenticator = make()
      const { token } = await newPod()
      const foreign = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const claims = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as object
      for (const wrong of [
        await one.tokenOf(account, { audiences: ['other'] }),
        await one.tokenOf(account, {}),
        ...tampered(token),
        makeToken({ ...(await keyOf(one)), privateKey: foreign.privateKey }, claims),
      ])
        expect(await refusal(authenticator, wrong)).toEqual(code('ERR_CREDENTIAL_INVALID'))
      expect((await ask(authenticator, token)).identities.map(String)).toEqual([identity])
    })

    it('is expired by our clock, and by that of the API server', async () => {
      const { token } = await newPod()
      const later = make({ clock: new FakeClock(new Date(systemClock.now() + 700_000)) })
      expect(await refusal(later, token)).toEqual(code('ERR_CREDENTIAL_INVALID'))
      const claims = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as { iat: number }
      const begin = claims.iat - 3_600
      const old = makeToken(await keyOf(one), { ...claims, iat: begin, nbf: begin, exp: begin + 600 })
      const earlier = make({ clock: new FakeClock(new Date((begin + 10) * 1_000)) })
      // Our clock alone cannot tell: only the review asks another one.
      if (make === reviewed) expect(await refusal(earlier, old)).toEqual(code('ERR_CREDENTIAL_INVALID'))
      else expect((await ask(earlier, old)).identities.map(String)).toEqual([identity])
      expect(await refusal(make(), old)).toEqual(code('ERR_CREDENTIAL_INVALID'))
    })

    it('two clusters of one issuer: that of clusterid decides, and no other is tried', async () => {
      const authenticator = make()
      const tokens = [(await newPod(one)).token, (await newPod(two)).token] as const
      for (const [at, clusterid] of ['one', 'two'].entries()) {
        const caller = await ask(authenticator, tokens[at]!, clusterid)
        expect(caller.kubernetes?.cluster).toBe(clusterid)
        const other = await refusal(authenticator, tokens[1 - at]!, clusterid)
        expect(other).toEqual(code('ERR_CREDENTIAL_INVALID'))
      }
      for (const clusterid of ['', 'three'])
        expect(await refusal(authenticator, tokens[0], clusterid)).toEqual(code('ERR_CREDENTIAL_INVALID'))
    })
  })

  it('only the review knows that a pod is gone', async () => {
    const { name, token } = await newPod()
    const [here, there] = [local(), reviewed()]
    await ask(there, token)
    await deletePod(name)
    // The API server remembers an accepted token for ten seconds.
    const gone = expect.poll(() => refusal(there, token), { timeout: 60_000, interval: 200 })
    await gone.toEqual(code('ERR_CREDENTIAL_INVALID'))
    expect((await ask(here, token)).kubernetes?.podName).toBe(name)
  }, 90_000)

  it('discovery and keys are not for everybody: without a token the keys are unavailable', async () => {
    const { token } = await newPod()
    const error = await refusal(local({}, fetchersOf([undefined, undefined])), token)
    expect(error).toEqual(code('ERR_AUTHENTICATOR_UNAVAILABLE'))
    expect((error as Error).message).toMatch(/status 403/)
  })

  it('an account without the right to review is an error of its own, until it has the right', async () => {
    const { token } = await newPod()
    const nobody = await one.tokenOf('ca/nobody', {})
    for (const wrong of [nobody, tampered(nobody)[0]!])
      expect(await refusal(reviewed({}, [wrong, wrong]), token)).toEqual(code('ERR_KUBERNETES_FORBIDDEN'))
    await mayReview(one, 'nobody')
    const authenticator = reviewed({}, [nobody, nobody])
    const allowed = expect.poll(() => refusal(authenticator, token), { timeout: 30_000, interval: 200 })
    await allowed.toMatchObject({ credential: 'kubernetes-jwt' })
  }, 60_000)

  it('a token from a Secret counts only where it is asked for', async () => {
    const [first, second] = [await legacyToken(one), await legacyToken(two)]
    // Not ours: no cluster takes that issuer.
    expect(await refusal(local(), first)).toEqual(code('ERR_CREDENTIAL_MISSING'))
    const clustersThatTake = [
      {
        name: 'one',
        issuer: one.server,
        fetcher: keep(one.fetcherWith(own[0])),
        dangerouslyAcceptLegacyTokens: true,
      },
    ]
    const taking = local({ clusters: clustersThatTake })
    expect((await ask(taking, first)).kubernetes).toEqual({
      namespace: 'prod',
      serviceAccount: 'api',
      cluster: 'one',
    })
    // It is for the audiences of the API server itself: ours is one of them in the second cluster alone.
    expect(await refusal(reviewed(), first, 'one')).toEqual(code('ERR_CREDENTIAL_INVALID'))
    expect((await ask(reviewed(), second, 'two')).identities.map(String)).toEqual([identity])
  })

  it.each([
    ['verified here', local],
    ['reviewed', reviewed],
  ])(
    'the whole way: the token of a pod, %s, is exchanged for an SVID',
    async (_, make) => {
      const { name, token } = await newPod()
      const istiod = keep(await startIstiodLike(make()))
      const validator = new X509SvidValidator({ bundles: istiod.bundles })
      const clientWith = async (clusterid: string): ReturnType<typeof createCertificateClient> =>
        keep(
          await createCertificateClient({
            address: `localhost:${istiod.server.port}`,
            serverName: istiodName,
            tls: () => ({ roots: istiod.root.toPem() }),
            token: () => token,
            headers: { clusterid },
            retry: { attempts: 1 },
            timeoutMs: 60_000,
            verify: (chain) => validator.verify(chain, { id: identity }),
          }),
        )
      const { request } = await newRequest()
      const { certificate } = await (await clientWith('one')).createCertificate(request)
      expect(certificate.publicKey.equals(request.publicKey)).toBe(true)
      const wrong = (await clientWith('two')).createCertificate(request)
      await expect(wrong).rejects.toThrow(code('ERR_CA_UNAUTHENTICATED'))
      if (make !== reviewed) return
      await deletePod(name)
      const again = async (): Promise<unknown> =>
        (await clientWith('one')).createCertificate(request).catch((error: unknown) => error)
      const refused = expect.poll(again, { timeout: 60_000, interval: 500 })
      await refused.toEqual(code('ERR_CA_UNAUTHENTICATED'))
    },
    120_000,
  )

  it('a cluster that is down takes nobody else with it; keys that are known go on', async () => {
    const tokens = [(await newPod(one)).token, (await newPod(two)).token] as const
    const [here, there] = [local(), reviewed()]
    await ask(here, tokens[1], 'two')
    await two[Symbol.asyncDispose]()
    expect(await refusal(there, tokens[1], 'two')).toEqual(code('ERR_AUTHENTICATOR_UNAVAILABLE'))
    expect((await ask(there, tokens[0], 'one')).kubernetes?.cluster).toBe('one')
    expect((await ask(here, tokens[1], 'two')).kubernetes?.cluster).toBe('two')
  })
})
