// The expected name of a peer (RFC 9525 section 6).

import { describe, expect, it } from 'vitest'
import { SpiffeId, match } from '../../../../src/spiffe/index.ts'
import { checkPeerName } from '../../../../src/validation/names/index.ts'
import type { PeerName } from '../../../../src/validation/names/index.ts'
import { DistinguishedName, generalName } from '../../../../src/x509/index.ts'
import type { Certificate, GeneralName } from '../../../../src/x509/index.ts'
import { makeAuthority, makeLeaf, newSigner } from '../test-pki.ts'

const { dns, uri, email, ip } = generalName
const signer = newSigner()
const issuer = makeAuthority('ca', undefined, { signer })
const leafOf = async (names: readonly GeneralName[]): Promise<Certificate> =>
  makeLeaf(await issuer, {
    signer,
    subject: DistinguishedName.parse('CN=web.example'),
    extensions: { subjectAltName: names },
  })

describe('checkPeerName', () => {
  it.each<[string, GeneralName[], PeerName, boolean]>([
    ['the same host', [dns('web.example')], { dns: 'web.example' }, true],
    ['in another case', [dns('WEB.example')], { dns: 'web.EXAMPLE' }, true],
    ['one of several', [dns('a.test'), dns('web.example')], { dns: 'web.example' }, true],
    ['never the common name', [dns('a.test')], { dns: 'web.example' }, false],
    ['a wildcard for one label', [dns('*.example.com')], { dns: 'web.example.com' }, true],
    ['a wildcard, not for two labels', [dns('*.example.com')], { dns: 'a.web.example.com' }, false],
    ['a wildcard, not for none', [dns('*.example.com')], { dns: 'example.com' }, false],
    ['a wildcard over a single label', [dns('*.com')], { dns: 'example.com' }, false],
    ['a wildcard alone', [dns('*')], { dns: 'localhost' }, false],
    ['a partial wildcard', [dns('w*.example.com')], { dns: 'web.example.com' }, false],
    ['a wildcard that is not leftmost', [dns('a.*.example.com')], { dns: 'a.b.example.com' }, false],
    ['a presented name with a final dot', [dns('web.example.')], { dns: 'web.example' }, false],
    ['two wildcards', [dns('*.*.example.com')], { dns: 'a.b.example.com' }, false],
    ['a wildcard within an A-label', [dns('xn--*.example.com')], { dns: 'xn--a.example.com' }, false],
    ['a wildcard at the end of a label', [dns('*a.example.com')], { dns: 'ba.example.com' }, false],
    ['a name that goes on', [dns('web.example')], { dns: 'web.example.test' }, false],
    ['a name that begins elsewhere', [dns('evilweb.example')], { dns: 'web.example' }, false],
    ['an empty name', [dns('')], { dns: 'web.example' }, false],
    ['an address of the other version', [ip('::1')], { ip: '127.0.0.1' }, false],
    ['a wildcard for a mailbox', [email('*@example.com')], { email: 'u@example.com' }, false],
    ['a host for a mailbox', [dns('example.com')], { email: 'u@example.com' }, false],
    ['a URI for a host', [uri('https://web.example/')], { dns: 'web.example' }, false],
    ['an underscore', [dns('a_b.example')], { dns: 'a_b.example' }, true],
    ['an A-label under a wildcard', [dns('*.example.com')], { dns: 'xn--bcher-kva.example.com' }, true],
    ['an address as a DNS name', [dns('10.0.0.1')], { ip: '10.0.0.1' }, false],
    ['IPv4', [ip('10.0.0.1')], { ip: '10.0.0.1' }, true],
    ['IPv4 mapped', [ip('10.0.0.1')], { ip: '::ffff:10.0.0.1' }, false],
    ['IPv6 in another form', [ip('2001:db8::1')], { ip: '2001:0db8:0:0:0:0:0:1' }, true],
    ['a mailbox', [email('u@Example.com')], { email: 'u@example.COM' }, true],
    ['a local part in another case', [email('U@example.com')], { email: 'u@example.com' }, false],
    ['a SPIFFE ID', [uri('spiffe://td/a')], { spiffeId: SpiffeId.parse('spiffe://td/a') }, true],
    ['a SPIFFE ID as text', [uri('spiffe://td/a')], { spiffeId: 'spiffe://td/a' }, true],
    ['a matcher', [uri('spiffe://td/a')], { spiffeId: match.any() }, true],
    [
      'a matcher that answers with something else',
      [uri('spiffe://td/a')],
      { spiffeId: (() => 1) as never },
      false,
    ],
    ['another SPIFFE ID', [uri('spiffe://td/b')], { spiffeId: 'spiffe://td/a' }, false],
    ['two URIs', [uri('spiffe://td/a'), uri('spiffe://td/b')], { spiffeId: 'spiffe://td/a' }, false],
    ['X-2 an ID without a path', [uri('spiffe://td')], { spiffeId: match.any() }, false],
    [
      'X-2 an ID without a path, though it is wanted',
      [uri('spiffe://td')],
      { spiffeId: 'spiffe://td' },
      false,
    ],
    ['no SPIFFE ID', [uri('https://td/a')], { spiffeId: match.any() }, false],
  ])('%s', async (_, names, wanted, matches) => {
    const fault = checkPeerName(await leafOf(names), wanted)
    expect(fault?.code).toBe(matches ? undefined : 'ERR_PATH_PEER_NAME')
  })

  it.each<[PeerName, string]>([
    [{ dns: '' }, 'ERR_INVALID_ARGUMENT'],
    [{ dns: 'web.example.' }, 'ERR_INVALID_ARGUMENT'],
    [{ dns: '*.example.com' }, 'ERR_INVALID_ARGUMENT'],
    [{ dns: 'bücher.example' }, 'ERR_INVALID_ARGUMENT'],
    [{ dns: '\u212aelvin.example' }, 'ERR_INVALID_ARGUMENT'],
    [{ dns: '10.0.0.1' }, 'ERR_INVALID_ARGUMENT'],
    [{ dns: 'a..example' }, 'ERR_INVALID_ARGUMENT'],
    [{ dns: '.example' }, 'ERR_INVALID_ARGUMENT'],
    [{ dns: `${'a'.repeat(64)}.example` }, 'ERR_INVALID_ARGUMENT'],
    [{ email: '' }, 'ERR_INVALID_ARGUMENT'],
    [{ email: 'example.com' }, 'ERR_INVALID_ARGUMENT'],
    [{ email: 'u@' }, 'ERR_INVALID_ARGUMENT'],
    [{ email: '@example.com' }, 'ERR_INVALID_ARGUMENT'],
    [{ ip: '10.0.0' }, 'ERR_NAME_INVALID'],
    [{ ip: 'fe80::1%eth0' }, 'ERR_NAME_INVALID'],
    [{ spiffeId: 'https://td/a' }, 'ERR_SPIFFE_ID_INVALID'],
  ])('a wanted name that nobody can have: %o', async (wanted, code) => {
    const leaf = await leafOf([uri('spiffe://td/a')])
    expect(() => checkPeerName(leaf, wanted)).toThrow(expect.objectContaining({ code }))
  })
})
