// The header of a proxy: from whom it is taken, which element counts, how it is read.

import { beforeAll, describe, expect, it } from 'vitest'
import { XfccAuthenticator, anyOf, requireCaller } from '../../../src/auth/index.ts'
import type { AuthenticationRequest, Authenticator } from '../../../src/auth/index.ts'
import { SpiffeId } from '../../../src/spiffe/index.ts'
import type { Certificate } from '../../../src/x509/index.ts'
import { code } from '../../support/codes.ts'
import { testPki, tlsCredential } from '../../support/pki.ts'
import { requestWith } from '../../support/tokens.ts'

const gateway = 'spiffe://example.org/ns/ingress/sa/gateway'
const client = 'spiffe://example.org/ns/prod/sa/api'
const hash = '0'.repeat(64)
const good = `By=${gateway};Hash=${hash};Subject="CN=a, O=\\"b\\";c";URI=${client}`

const proxyOf = (id: string | undefined): Authenticator => ({
  name: 'proxy',
  authenticate: async () =>
    id === undefined ? undefined : { identities: [SpiffeId.parse(id)], credential: 'x509', claims: {} },
})

const options = {
  proxyNetworks: ['10.0.3.0/24', '2001:db8:1::/48'],
  proxyIdentities: [gateway],
  proxyAuthenticator: proxyOf(gateway),
  trustDomain: 'example.org',
}

const from = (address: string | undefined, header: string | string[] = good): AuthenticationRequest =>
  requestWith(
    { 'x-forwarded-client-cert': header },
    { peer: address === undefined ? undefined : { address, port: 1 } },
  )

describe('whose header is taken', () => {
  it('that of a configured proxy', async () => {
    const caller = await requireCaller(new XfccAuthenticator(options), from('10.0.3.7'))
    expect(caller.identities.map(String)).toEqual([client])
    expect(caller).toMatchObject({ credential: 'xfcc', claims: { proxy: gateway, certificateSha256: hash } })
    for (const address of ['::ffff:10.0.3.7', '2001:db8:1::5'])
      expect((await requireCaller(new XfccAuthenticator(options), from(address))).credential).toBe('xfcc')
  })

  it.each([
    [{ proxyNetworks: [] }, undefined],
    [{ proxyIdentities: [] }, undefined],
    [{ proxyNetworks: undefined }, 'ERR_INVALID_ARGUMENT'],
    [{ proxyIdentities: undefined }, 'ERR_INVALID_ARGUMENT'],
    [{ proxyNetworks: '' }, 'ERR_INVALID_ARGUMENT'],
    [{ proxyNetworks: [''] }, 'ERR_INVALID_ARGUMENT'],
    [{ proxyNetworks: [','] }, 'ERR_INVALID_ARGUMENT'],
    [{ proxyNetworks: [' '] }, 'ERR_INVALID_ARGUMENT'],
    [{ proxyNetworks: ['0.0.0.0/0'] }, 'ERR_INVALID_ARGUMENT'],
    [{ proxyNetworks: ['::/0'] }, 'ERR_INVALID_ARGUMENT'],
    [{ proxyNetworks: ['::ffff:0:0/96'] }, 'ERR_INVALID_ARGUMENT'],
    [{ proxyIdentities: ['gateway'] }, 'ERR_SPIFFE_ID_INVALID'],
    [{ proxyAuthenticator: undefined }, 'ERR_INVALID_ARGUMENT'],
    [{ proxyAuthenticator: {} }, 'ERR_INVALID_ARGUMENT'],
    [{ dangerouslyAnyAddress: true, dangerouslyWithoutProxyIdentity: true }, 'ERR_INVALID_ARGUMENT'],
  ])('the options %j are off or refused', async (change, expected) => {
    const make = (): XfccAuthenticator => new XfccAuthenticator({ ...options, ...change } as never)
    if (expected !== undefined) return void expect(make).toThrow(code(expected))
    for (const address of ['127.0.0.1', '::1', '::ffff:127.0.0.1', '10.0.3.7', undefined])
      expect(await make().authenticate(from(address))).toBeUndefined()
  })

  it.each(['10.0.4.1', '127.0.0.1', '::1', '::ffff:127.0.0.1', '2001:db8:2::1', 'localhost', '', undefined])(
    'the address %s is that of no proxy',
    async (address) => {
      await expect(new XfccAuthenticator(options).authenticate(from(address))).rejects.toThrow(
        code('ERR_CREDENTIAL_INVALID'),
      )
    },
  )

  it.each([
    [undefined, 'ERR_CREDENTIAL_INVALID'],
    [client, 'ERR_CREDENTIAL_INVALID'],
  ])('the proxy has shown %s: refused', async (shown, expected) => {
    const xfcc = new XfccAuthenticator({ ...options, proxyAuthenticator: proxyOf(shown) })
    await expect(xfcc.authenticate(from('10.0.3.7'))).rejects.toThrow(code(expected))
  })

  it('each of the two conditions can be waived by name, and not both', async () => {
    const any = new XfccAuthenticator({ ...options, proxyNetworks: [], dangerouslyAnyAddress: true })
    expect((await requireCaller(any, from('192.0.2.9'))).credential).toBe('xfcc')
    const { proxyAuthenticator: _, ...without } = options
    const trusting = new XfccAuthenticator({ ...without, dangerouslyWithoutProxyIdentity: true })
    expect((await requireCaller(trusting, from('10.0.3.7'))).credential).toBe('xfcc')
    const foreign = from('10.0.3.7', good.replace(gateway, client))
    await expect(trusting.authenticate(foreign)).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
  })

  it('two proxies: By names the one that sent it', async () => {
    const other = 'spiffe://example.org/ns/ingress/sa/other'
    const two = new XfccAuthenticator({ ...options, proxyIdentities: [gateway, other] })
    const answer = two.authenticate(from('10.0.3.7', good.replace(gateway, other)))
    await expect(answer).rejects.toThrow(code('ERR_CREDENTIAL_INVALID'))
  })
})

describe('which client', () => {
  const last = `By=${gateway};URI=${client}`
  const evil = `By=${gateway};URI=spiffe://example.org/ns/prod/sa/admin`
  it.each([
    [`${evil},${last}`],
    [`By=${gateway};URI="${client}"`],
    [`by=${gateway};uri=${client}`],
    [`By=${gateway};By=http://gateway;URI=${client};DNS=a;DNS=b`],
    [`Subject="CN=x,By=${gateway};URI=spiffe://example.org/evil",${last}`],
    [`Subject="\\"",${last}`],
    [`Hash=;Cert="-----BEGIN%20CERTIFICATE-----";${last.replace(';', `;Chain="";`)}`.replace('Hash=;', '')],
  ])('%s', async (header) => {
    const caller = await requireCaller(new XfccAuthenticator(options), from('10.0.3.7', header))
    expect(caller.identities.map(String)).toEqual([client])
  })

  it.each([
    ['', 'empty'],
    [`${last},${last.replace(client, 'spiffe://other.org/x')}`, 'another trust domain'],
    [`${last},Subject="CN=${client}"`, 'no URI in the last'],
    [`URI=${client}`, 'no By'],
    [`By=${client};URI=${client}`, 'By of another'],
    [`${last};URI=${client}`, 'two URIs'],
    [`${last};URI=spiffe://example.org/ns/prod/sa/b`, 'two URIs'],
    [`By=${gateway};URI=https://example.org/a`, 'no SPIFFE ID'],
    [`By=${gateway};URI=spiffe://example.org`, 'no path'],
    [`By=${gateway};URI=`, 'empty URI'],
    [`By=${gateway};DNS=api.prod`, 'DNS only'],
    [`By=${gateway};Subject="CN=api"`, 'Subject only'],
    [`${last},`, 'a comma at the end'],
    [`${last};`, 'a semicolon at the end'],
    [`,${last}`, 'a comma at the start'],
    [`${last},,${last}`, 'an empty element'],
    [`By=${gateway};URI="${client}`, 'an open quote'],
    [`By=${gateway};URI="${client}"x`, 'text after a quote'],
    [`By=${gateway};URI="${client}\\"`, 'an escaped end'],
    [`By=${gateway};URI=a"b`, 'a quote inside'],
    [`By=${gateway};URI=${client}=x`, 'an equals sign inside'],
    [`By=${gateway};DNS=a"b;URI=${client}`, 'a quote inside a value that nobody reads'],
    [`By=${gateway};DNS=a=b;URI=${client}`, 'an equals sign inside a value that nobody reads'],
    [`By=${gateway};DNS="a"b;URI=${client}`, 'text after a quote of a value that nobody reads'],
    [`By=${gateway};DNS="a"bDNS=x;URI=${client}`, 'a pair after a quote, without a semicolon'],
    [`By=${gateway};URI=${client};DNS`, 'a pair without ='],
    [`By=${gateway};Evil=1;URI=${client}`, 'an unknown key'],
    [`By=${gateway};Hash=${hash};Hash=${hash};URI=${client}`, 'two hashes'],
    [`By=${gateway};Hash=xyz;URI=${client}`, 'no hash'],
    [`By=${gateway}; URI=${client}`, 'a blank'],
    [`By=${gateway};URI=${client}\n`, 'a line break'],
    [`By=${gateway};URI=${client}\0`, 'NUL'],
    [Array(17).fill(last).join(), '17 elements'],
    [`${last};Cert="${'x'.repeat(17_000)}"`, 'too long'],
  ])('%#: refused', async (header, _) => {
    await expect(new XfccAuthenticator(options).authenticate(from('10.0.3.7', header))).rejects.toThrow(
      code('ERR_CREDENTIAL_INVALID'),
    )
  })

  it('two headers are refused, none is absent', async () => {
    const xfcc = new XfccAuthenticator(options)
    await expect(xfcc.authenticate(from('10.0.3.7', [last, last]))).rejects.toThrow(
      code('ERR_CREDENTIAL_INVALID'),
    )
    expect(await xfcc.authenticate(from('10.0.3.7', []))).toBeUndefined()
  })

  it('a federated client is named as such', async () => {
    const xfcc = new XfccAuthenticator({ ...options, federatesWith: ['other.org'] })
    const caller = await requireCaller(xfcc, from('10.0.3.7', `By=${gateway};URI=spiffe://other.org/x`))
    expect(caller.claims).toMatchObject({ trustDomain: 'other.org', federated: true })
  })
})

describe('a proxy is not a caller', () => {
  let certificates: readonly [proxy: Certificate, other: Certificate]
  beforeAll(async () => {
    const pki = await testPki()
    const made = [gateway, client].map((id) => tlsCredential(pki, SpiffeId.parse(id)))
    const [proxy, other] = await Promise.all(made)
    certificates = [proxy!.certificate, other!.certificate]
  })
  const presenting = (certificate: Certificate, address = '10.0.3.7'): AuthenticationRequest =>
    requestWith(
      {},
      { peer: { address, port: 1 }, tls: { presentedChain: [certificate], verifiedChain: [certificate] } },
    )
  const proxiesAsCallers = { ...options, dangerouslyProxiesAsCallers: true }

  it('without the header its certificate is that of nobody; no other authenticator is asked', async () => {
    const [proxy, other] = certificates
    const both = anyOf(new XfccAuthenticator(options), proxyOf(gateway))
    await expect(both.authenticate(presenting(proxy))).rejects.toThrow(/gateway sent a request without/)
    for (const one of [presenting(other), presenting(proxy, '10.0.4.1'), from('10.0.3.7', [])])
      expect((await requireCaller(both, one)).credential).toBe('x509')
  })

  it('so it is where its identity is not asked for', async () => {
    const { proxyAuthenticator: _, ...without } = options
    const trusting = new XfccAuthenticator({ ...without, dangerouslyWithoutProxyIdentity: true })
    await expect(trusting.authenticate(presenting(certificates[0]))).rejects.toThrow(
      code('ERR_CREDENTIAL_INVALID'),
    )
  })

  it('behind another proxy it is refused', async () => {
    const relay = 'spiffe://example.org/ns/ingress/sa/relay'
    const header = `By=${gateway};URI=${client},By=${relay};URI=${gateway}`
    const two = { ...options, proxyIdentities: [gateway, relay], proxyAuthenticator: proxyOf(relay) }
    const answer = new XfccAuthenticator(two).authenticate(from('10.0.3.7', header))
    await expect(answer).rejects.toThrow(/itself a proxy/)
    const taking = new XfccAuthenticator({ ...two, dangerouslyProxiesAsCallers: true })
    expect((await requireCaller(taking, from('10.0.3.7', header))).identities.map(String)).toEqual([gateway])
  })

  it('can be made one by name', async () => {
    const xfcc = new XfccAuthenticator(proxiesAsCallers)
    expect(await xfcc.authenticate(presenting(certificates[0]))).toBeUndefined()
  })
})
