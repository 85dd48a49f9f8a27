// IP addresses, DNS names, host names and wildcards as text.

import { isIP } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isDnsName as isIssuedName } from '../../../src/ca/lints/dns-name.ts'
import {
  ipVersion,
  isDnsName,
  isHostName,
  isPresentedName,
  isWildcard,
} from '../../../src/internal/host-text.ts'

describe('ipVersion', () => {
  it.each([
    '',
    '1.2.3.4',
    '255.255.255.255',
    '256.1.1.1',
    '01.2.3.4',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.4 ',
    '::',
    '::1',
    '1::',
    '1:2:3:4:5:6:7:8',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1::2::3',
    ':::',
    ':1',
    '1:',
    '12345::',
    'g::',
    '::ffff:1.2.3.4',
    '::1.2.3.256',
    '1:2:3:4:5:6:1.2.3.4',
    '1:2:3:4:5:6:7:1.2.3.4',
    '1.2.3.4::',
    '2001:DB8::A',
    '1:2:3:4:5:6:7::',
    '::2:3:4:5:6:7:8',
    '1::3:4:5:6:7:8',
    '[::1]',
    'example.org',
  ])('%j as the platform has it', (text) => {
    expect(ipVersion(text)).toBe(isIP(text))
  })

  it('agrees with the platform on what looks like an address', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.ipV4(),
          fc.ipV6(),
          fc.string({ unit: fc.constantFrom(...Array.from('0159af:.')), maxLength: 24 }),
        ),
        (text) => {
          expect(ipVersion(text)).toBe(isIP(text))
        },
      ),
      { numRuns: 3000 },
    )
  })

  it('takes no zone', () => {
    expect(ipVersion('fe80::1%eth0')).toBe(0)
  })
})

/**
 * In this order: compared as a name of the DNS; a host name; presented in a certificate; a wildcard that
 * stands for hosts; issued by a CA of ours.
 */
type Kinds = readonly [dns: boolean, host: boolean, presented: boolean, wildcard: boolean, issued: boolean]
const all: Kinds = [true, true, true, false, true]
const none: Kinds = [false, false, false, false, false]
const readOnly: Kinds = [true, false, false, false, false]

describe('names', () => {
  it.each<[string, Kinds]>([
    ['web.example', all],
    ['localhost', all],
    ['a', all],
    ['xn--bcher-kva.example', all],
    ['1.2.3.example', all],
    ['1a', all],
    ['10.0.0.1a', all],
    ['a--b.example', all],
    [`${'a'.repeat(63)}.example`, all],
    [`${'a.'.repeat(126)}a`, all],
    // Only the CA has one spelling: RFC 4343 says that all are the same name.
    ['WEB.Example', [true, true, true, false, false]],
    ['XN--bcher-kva.example', [true, true, true, false, false]],
    // RFC 1123 §2.1 and BR 7.1.2.7.12 against RFC 2181 §11.
    ['a_b.example', readOnly],
    ['_sip.example', readOnly],
    ['web_.example', readOnly],
    ['_', readOnly],
    // RFC 1123 §2.1: what ends in a number is an address, or was to be one.
    ['192.0.2.1', readOnly],
    ['10.0.0', readOnly],
    ['1', readOnly],
    ['web.123', readOnly],
    ['300.300.300.300', readOnly],
    // RFC 9525 §6.3, BR 3.2.2.6.
    ['*.example.com', [false, false, true, true, true]],
    ['*.a.b.c', [false, false, true, true, true]],
    [`*.${'a.'.repeat(125)}a`, [false, false, true, true, true]],
    ['*.EXAMPLE.com', [false, false, true, true, false]],
    ['*.com', [false, false, true, false, false]],
    ['*.a_b.example', [false, false, false, true, false]],
    ['*.2.1', [false, false, false, true, false]],
    ['*', none],
    ['*.', none],
    ['*..com', none],
    ['*.*.example', none],
    ['w*.example.com', none],
    ['*w.example.com', none],
    ['a.*.example', none],
    ['xn--*.example.com', none],
    ['*.-a.example', none],
    ['*.1', none],
    [`*.${'a.'.repeat(126)}a`, none],
    ['', none],
    [' ', none],
    ['.', none],
    ['web.example.', none],
    ['.web.example', none],
    ['web..example', none],
    ['-web.example', none],
    ['web-.example', none],
    ['a.-', none],
    ['web.example:443', none],
    ['https://web.example', none],
    ['web.example\n', none],
    ['web.example\0', none],
    ['b\u00fccher.example', none],
    ['\u212aelvin.example', none],
    ['::1', none],
    ['[::1]', none],
    ['u@web.example', none],
    [`${'a'.repeat(64)}.example`, none],
    [`a.${'a'.repeat(64)}`, none],
    [`${'a.'.repeat(126)}aa`, none],
  ])('%j', (name, kinds) => {
    expect([
      isDnsName(name),
      isHostName(name),
      isPresentedName(name),
      isWildcard(name),
      isIssuedName(name),
    ]).toEqual(kinds)
  })

  it('are each within another: issued, presented, host name, name of the DNS', () => {
    const parts = fc.array(fc.string({ unit: fc.constantFrom(...Array.from('aZ09-_*')), maxLength: 4 }), {
      maxLength: 4,
    })
    fc.assert(
      fc.property(
        parts.map((labels) => labels.join('.')),
        (name) => {
          const [dns, host, presented, wildcard, issued] = [
            isDnsName(name),
            isHostName(name),
            isPresentedName(name),
            isWildcard(name),
            isIssuedName(name),
          ]
          expect([
            issued && !presented,
            host && !(dns && presented),
            presented && !host && !name.startsWith('*.'),
            wildcard && dns,
          ]).toEqual([false, false, false, false])
        },
      ),
      { numRuns: 3000 },
    )
  })
})
