// Every rule of the default policy, a row each: what a caller may have, and what it may not.

import { describe, expect, it } from 'vitest'
import type { Caller } from '../../../src/auth/index.ts'
import { callerIdentityPolicy } from '../../../src/policy/index.ts'
import type { IssuanceDecision } from '../../../src/policy/index.ts'
import type { CallerIdentityPolicyOptions } from '../../../src/policy/caller-identity-policy.ts'
import { TrustDomain } from '../../../src/spiffe/index.ts'
import { DistinguishedName, extensionOids, generalName, keyPurposeOids } from '../../../src/x509/index.ts'
import { formatGeneralName } from '../../../src/x509/internal.ts'
import type { GeneralName } from '../../../src/x509/index.ts'
import { code } from '../../support/codes.ts'
import { callerOf, newRequest } from '../../support/pki.ts'

type Ask = NonNullable<Parameters<typeof newRequest>[1]>

interface Row {
  readonly what: string
  readonly ask?: Ask
  readonly ids?: readonly string[]
  readonly options?: Partial<CallerIdentityPolicyOptions>
}

const self = 'spiffe://example.org/ns/prod/sa/api'
const trustDomain = TrustDomain.parse('example.org')
const { uri, dns, ip, email } = generalName
const names = (...subjectAltName: readonly GeneralName[]): Ask => ({ extensions: { subjectAltName } })
const subject = (text: string): Ask => ({ subject: DistinguishedName.parse(text) })
const other = (oid: string, critical: boolean): Ask => ({
  extensions: { other: [{ oid, critical, value: Uint8Array.of(5, 0) }] },
})
const anyName = { mayHaveName: () => true }
const longest = `spiffe://example.org/${'x'.repeat(43)}`
const long = `${longest}x`
/** DNS names of this many characters together. */
function hosts(length: number): GeneralName[] {
  const list = Array.from({ length: Math.floor(length / 128) - 1 }, (_, i) =>
    dns(`${`${'x'.repeat(60)}.`.repeat(2)}n${String(i).padStart(2, '0')}.ab`.padStart(128, 'a')),
  )
  const rest = length - list.reduce((sum, name) => sum + (name as { value: string }).value.length, 0)
  return [...list, dns(`${'y'.repeat(60)}.${'z'.repeat(rest - 61 - 60 - 1)}.${'x'.repeat(60)}`)]
}

async function decide(
  { ask = {}, ids = [self], options = {} }: Row,
  ttlSeconds?: number,
): Promise<IssuanceDecision> {
  const { request } = await newRequest('P-256', ask)
  const caller: Caller =
    ids.length === 0 ? { identities: [], credential: 'test', claims: {} } : callerOf(...ids)
  return callerIdentityPolicy({ trustDomain, ...options }).decide({ csr: request, ttlSeconds }, caller)
}

describe('a decision', () => {
  it('has names of its own: what mayHaveName was given can be changed afterwards', async () => {
    let given: GeneralName | undefined
    const mayHaveName = (name: GeneralName): boolean => {
      given = name
      return true
    }
    const decision = await decide({ what: '', ask: names(ip('192.0.2.7')), options: { mayHaveName } })
    if (!decision.allowed || given?.type !== 'ip') throw new Error('expected an IP address')
    given.address.fill(9)
    const [, name] = decision.content.subjectAltName
    expect(name).toStrictEqual(ip('192.0.2.7'))
    expect(Object.isFrozen(name)).toBe(true)
    expect(Object.isFrozen(decision.content.subjectAltName)).toBe(true)
  })
})

describe('what is given', () => {
  it.each<Row & { readonly given?: readonly string[]; readonly subject?: string }>([
    { what: 'its own identity, which was not asked for' },
    { what: 'its own identity, which was asked for', ask: names(uri(self)) },
    { what: 'its own identity once, although asked for twice', ask: names(uri(self), uri(self)) },
    { what: 'an identity that an authenticator names twice', ids: [self, self] },
    {
      what: 'the one of several identities that is asked for',
      ids: ['spiffe://example.org/a', self],
      ask: names(uri(self)),
    },
    {
      what: 'the one that is asked for, among other names',
      ids: ['spiffe://example.org/a', self],
      ask: names(dns('a.example'), uri(self)),
      options: anyName,
      given: ['DNS:a.example'],
    },
    {
      what: 'names of 5 KiB together',
      ask: names(...hosts(5120)),
      options: anyName,
      given: hosts(5120).map(formatGeneralName),
    },
    {
      what: 'a DNS name that it may have',
      ask: names(uri(self), dns('api.example.org')),
      options: anyName,
      given: ['DNS:api.example.org'],
    },
    {
      what: 'an address that it may have',
      ask: names(ip('10.0.0.1'), ip('2001:db8::1')),
      options: anyName,
      given: ['IP:10.0.0.1', 'IP:2001:db8::1'],
    },
    {
      what: 'a name once, although asked for twice',
      ask: names(dns('a.example'), ip('10.0.0.1'), dns('a.example'), ip('10.0.0.1')),
      options: anyName,
      given: ['DNS:a.example', 'IP:10.0.0.1'],
    },
    {
      what: 'a wildcard, where the host says so',
      ask: names(dns('*.example.org')),
      options: { mayHaveName: (name) => name.type === 'dns' && name.value === '*.example.org' },
      given: ['DNS:*.example.org'],
    },
    {
      what: 'a hundred names',
      ask: names(...Array.from({ length: 99 }, (_, i) => dns(`n${i}.example`))),
      options: anyName,
      given: Array.from({ length: 99 }, (_, i) => `DNS:n${i}.example`),
    },
    { what: 'a common name of its own on request', ask: subject('CN=whoever'), subject: `CN=${self}` },
    {
      what: 'a common name of 64 characters',
      ask: subject('CN=whoever'),
      ids: [longest],
      subject: `CN=${longest}`,
    },
    {
      what: 'no common name where its identity is too long for one',
      ask: subject('CN=whoever'),
      ids: [long],
    },
    {
      what: 'nothing of a subject that cannot be read: CN=* in a PrintableString, as node-forge writes it',
      ask: { subject: DistinguishedName.fromDer(Buffer.from('300c310a3008060355040313012a', 'hex')) },
    },
    { what: 'nothing of a subject without a common name', ask: subject('O=Example,OU=Payments') },
    {
      what: 'nothing of what the profile has anyway',
      ask: {
        extensions: {
          basicConstraints: { ca: false },
          keyUsage: ['digitalSignature'],
          extendedKeyUsage: [keyPurposeOids.serverAuth],
          subjectKeyIdentifier: new Uint8Array(20),
        },
      },
    },
    {
      what: 'the identity under the name of today, to a caller of a former one',
      ids: ['spiffe://old.example/ns/prod/sa/api'],
      options: { aliases: ['old.example'] },
    },
    {
      what: 'the same where the request has the former name',
      ids: ['spiffe://old.example/ns/prod/sa/api'],
      ask: names(uri('spiffe://old.example/ns/prod/sa/api')),
      options: { aliases: ['old.example'] },
    },
    {
      what: 'the same where the request has the name of today',
      ids: ['spiffe://old.example/ns/prod/sa/api'],
      ask: names(uri(self)),
      options: { aliases: ['old.example'] },
    },
  ])('$what', async ({ given = [], subject: wanted, ...row }) => {
    const decision = await decide(row)
    if (!decision.allowed) throw new Error(`${decision.rule}: ${decision.reason}`)
    expect(decision.rule).toBe('caller-identity')
    expect(decision.trimmed).toEqual([])
    expect(decision.content.subjectAltName.map(formatGeneralName)).toEqual([
      `URI:${row.ids?.[0] === long || row.ids?.[0] === longest ? row.ids[0] : self}`,
      ...given,
    ])
    expect(decision.content.subject?.toString()).toBe(wanted)
  })

  it('asks about names only, with the caller', async () => {
    const asked: unknown[] = []
    await decide({
      what: '',
      ask: names(uri(self), dns('a.example'), ip('10.0.0.1')),
      options: {
        mayHaveName: (name, caller) =>
          asked.push([formatGeneralName(name), caller.identities.map(String)]) > 0,
      },
    })
    expect(asked).toEqual([
      ['DNS:a.example', [self]],
      ['IP:10.0.0.1', [self]],
    ])
  })

  it.each([
    { ttlSeconds: undefined, maxTtlSeconds: undefined },
    { ttlSeconds: 60, maxTtlSeconds: undefined },
    { ttlSeconds: 7200, maxTtlSeconds: 3600 },
  ])(
    'leaves $ttlSeconds s, with a limit of $maxTtlSeconds s, to the CA',
    async ({ ttlSeconds, maxTtlSeconds }) => {
      expect(
        await decide({ what: '', options: maxTtlSeconds === undefined ? {} : { maxTtlSeconds } }, ttlSeconds),
      ).toMatchObject({
        allowed: true,
        content: { ttlSeconds, maxTtlSeconds },
      })
    },
  )
})

describe('what is refused', () => {
  const foreign = (what: string, name: GeneralName, options?: Partial<CallerIdentityPolicyOptions>) => ({
    what,
    ask: names(name),
    rule: 'csr-names',
    code: 'ERR_CSR_SAN_FOREIGN',
    ...(options === undefined ? {} : { options }),
  })
  const extension = (what: string, ask: Ask) => ({
    what,
    ask,
    rule: 'csr-extensions',
    code: 'ERR_CSR_EXTENSION',
  })
  const domain = (what: string, id: string, options?: Partial<CallerIdentityPolicyOptions>) => ({
    what,
    ids: [id],
    rule: 'trust-domain',
    code: 'ERR_POLICY_TRUST_DOMAIN',
    ...(options === undefined ? {} : { options }),
  })
  const nobody = (what: string, ids: readonly string[], ask: Ask = {}) => ({
    what,
    ids,
    ask,
    rule: 'caller-identity',
    code: 'ERR_POLICY_IDENTITY',
  })
  const ca = (what: string, extensions: NonNullable<Ask['extensions']>) => ({
    what,
    ask: { extensions },
    rule: 'csr-ca',
    code: 'ERR_CSR_CA_REQUESTED',
  })
  const tooMany = (
    what: string,
    subjectAltName: readonly GeneralName[],
    options: Partial<CallerIdentityPolicyOptions> = anyName,
  ) => ({ what, ask: names(...subjectAltName), options, rule: 'csr-names', code: 'ERR_LIMIT_EXCEEDED' })

  it.each<Row & { readonly rule: string; readonly code: string }>([
    nobody('a caller that is nobody', []),
    nobody('several identities, and the request names none', [self, 'spiffe://example.org/b']),
    nobody(
      'several identities, and the request names two',
      [self, 'spiffe://example.org/b'],
      names(uri(self), uri('spiffe://example.org/b')),
    ),
    nobody(
      'several identities, and the request names a third',
      [self, 'spiffe://example.org/b'],
      names(uri('spiffe://example.org/c')),
    ),
    nobody(
      'several identities, and the request names one as a DNS name',
      [self, 'spiffe://example.org/b'],
      names({ type: 'dns', value: self }),
    ),
    nobody('an identity that is a trust domain', ['spiffe://example.org']),
    domain('another trust domain', 'spiffe://other.example/ns/prod/sa/api'),
    domain('a subdomain', 'spiffe://a.example.org/x'),
    domain('a name that only begins alike', 'spiffe://example.org.evil.example/x'),
    domain('a former name that nobody declared', 'spiffe://old.example/x'),
    domain('a name beside the declared ones', 'spiffe://older.example/x', { aliases: ['old.example'] }),
    ca('a CA', { basicConstraints: { ca: true } }),
    ca('a CA of a path length', { basicConstraints: { ca: true, pathLength: 0 } }),
    ca('to sign certificates', { keyUsage: ['digitalSignature', 'keyCertSign'] }),
    ca('to sign revocation lists', { keyUsage: ['cRLSign'] }),
    foreign("somebody else's identity", uri('spiffe://example.org/ns/prod/sa/admin')),
    foreign('its own identity as a DNS name', { type: 'dns', value: self }, anyName),
    foreign('an identity below its own', uri(`${self}/x`)),
    foreign('its own identity in capitals', uri('spiffe://EXAMPLE.org/ns/prod/sa/api')),
    foreign('its identity in another trust domain', uri('spiffe://other.example/ns/prod/sa/api')),
    foreign("the trust domain's own name", uri('spiffe://example.org')),
    foreign('a URI of another scheme', uri('https://example.org/ns/prod/sa/api'), anyName),
    foreign('a DNS name, as long as nobody allows one', dns('api.example.org')),
    foreign('an address, as long as nobody allows one', ip('10.0.0.1')),
    foreign('a DNS name that it may not have', dns('bank.example'), {
      mayHaveName: (name) => name.type === 'dns' && name.value === 'api.example.org',
    }),
    foreign('a name to an answer that is not true', dns('api.example.org'), {
      mayHaveName: (() => 'yes') as never,
    }),
    foreign('a name to an answer that comes later', dns('api.example.org'), {
      mayHaveName: (async () => true) as never,
    }),
    foreign('an email address', email('api@example.org'), anyName),
    foreign('a directory name', { type: 'directoryName', name: DistinguishedName.parse('CN=api') }, anyName),
    foreign('a registered identifier', { type: 'registeredId', oid: '1.2.3.4' }, anyName),
    foreign('a DNS name in capitals', dns('API.example.org'), anyName),
    foreign('a bare wildcard', dns('*'), anyName),
    foreign('a wildcard over one label', dns('*.example'), anyName),
    foreign('a wildcard within a name', dns('api.*.example.org'), anyName),
    foreign('an address as a DNS name', dns('10.0.0.1'), anyName),
    foreign('a DNS name that begins with a hyphen', dns('-a.example'), anyName),
    tooMany(
      'a hundred and one names',
      Array.from({ length: 101 }, (_, i) => dns(`n${i}.example`)),
    ),
    tooMany('names of a character more than 5 KiB', hosts(5121)),
    tooMany(
      'names that are too long together',
      Array.from({ length: 40 }, (_, i) => dns(`${`${'x'.repeat(60)}.`.repeat(3)}n${i}.example`)),
    ),
    tooMany(
      'too many names where they would be trimmed',
      Array.from({ length: 101 }, (_, i) => dns(`n${i}.example`)),
      { excess: 'trim' },
    ),
    extension('name constraints', { extensions: { nameConstraints: { permitted: [dns('example.org')] } } }),
    extension('policies', { extensions: { certificatePolicies: ['1.2.3.4'] } }),
    extension('distribution points', other(extensionOids.crlDistributionPoints, false)),
    extension('an unknown extension', other('1.2.3.4', false)),
    extension('an unknown critical extension', other('1.2.3.4', true)),
  ])('$what: $rule', async ({ rule, code, ...row }) => {
    expect(await decide(row)).toMatchObject({ allowed: false, rule, code })
    // What trims leaves out what is asked for; who is calling is not for it to say.
    const trimming = await decide({ ...row, options: { ...row.options, excess: 'trim' } })
    if (rule === 'caller-identity' || rule === 'trust-domain' || code === 'ERR_LIMIT_EXCEEDED')
      expect(trimming).toMatchObject({ allowed: false, rule, code })
    else
      expect(trimming).toMatchObject({
        allowed: true,
        trimmed: [expect.any(String)],
        content: { subjectAltName: [uri(self)] },
      })
  })

  it('claims give nothing', async () => {
    const { request } = await newRequest('P-256', names(dns('api.example.org')))
    const caller: Caller = {
      ...callerOf(self),
      claims: { admin: true, dns: 'api.example.org' },
      kubernetes: { namespace: 'prod', serviceAccount: 'api' },
    }
    expect(
      await callerIdentityPolicy({ trustDomain }).decide({ csr: request, ttlSeconds: undefined }, caller),
    ).toMatchObject({ allowed: false, code: 'ERR_CSR_SAN_FOREIGN' })
  })

  it('says everything that it trims', async () => {
    const ask: Ask = {
      extensions: {
        basicConstraints: { ca: true },
        subjectAltName: [dns('bank.example')],
        other: [{ oid: '1.2.3.4', critical: true, value: Uint8Array.of(5, 0) }],
      },
    }
    expect(await decide({ what: '', ask, options: { excess: 'trim' } })).toMatchObject({
      trimmed: [
        expect.stringContaining('CA'),
        expect.stringContaining('bank.example'),
        expect.stringContaining('1.2.3.4'),
      ],
    })
  })

  it('a request whose names cannot be read', async () => {
    const { request } = await newRequest('P-256', {
      extensions: {
        other: [{ oid: extensionOids.subjectAltName, critical: false, value: Uint8Array.of(5, 0) }],
      },
    })
    expect(() =>
      callerIdentityPolicy({ trustDomain }).decide({ csr: request, ttlSeconds: undefined }, callerOf(self)),
    ).toThrow(expect.objectContaining({ name: 'PkiError' }))
  })

  it('an identity that gets too long under the name of today', async () => {
    const former = TrustDomain.parse('o')
    const row = { what: '', ids: [`spiffe://o/${'x'.repeat(2036)}`], options: { aliases: [former] } }
    await expect(decide(row)).rejects.toThrow(expect.objectContaining({ code: 'ERR_SPIFFE_ID_INVALID' }))
  })
})

describe('options that mean nothing', () => {
  it.each([0, -1, 1.5, Number.NaN, Infinity])('a limit of %s s', (maxTtlSeconds) => {
    expect(() => callerIdentityPolicy({ trustDomain, maxTtlSeconds })).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
    )
  })

  it('an alias that is no trust domain', () => {
    expect(() => callerIdentityPolicy({ trustDomain, aliases: ['Old Example'] })).toThrow(
      expect.objectContaining({ code: 'ERR_TRUST_DOMAIN_INVALID' }),
    )
  })
})

describe('options', () => {
  it('with an excess that is misspelt are refused', () => {
    expect(() => callerIdentityPolicy({ trustDomain, excess: 'Trim' as 'trim' })).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
    )
  })
})

describe('options', () => {
  it.each<readonly [string, object]>([
    ['a misspelt key', { trustDomain: 'example.org', mayHaveNames: () => true }],
    ['a limit that is undefined', { trustDomain: 'example.org', maxTtlSeconds: undefined }],
    ['a mayHaveName that is no function', { trustDomain: 'example.org', mayHaveName: true }],
    ['no trust domain', {}],
  ])('are refused with %s', (_, options) => {
    expect(() => callerIdentityPolicy(options as never)).toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})
