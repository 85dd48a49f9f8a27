// Which addresses are one source.

import { describe, expect, it } from 'vitest'
import { sourceOf } from '../../../../../src/adapters/grpc/server/source-address.ts'

describe('sourceOf', () => {
  it.each([
    // An IPv4 peer is its address.
    ['192.0.2.1', '192.0.2.1'],
    ['255.255.255.255', '255.255.255.255'],
    // A socket that listens on :: has IPv4 peers in mapped form (RFC 4291 §2.5.5.2).
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:192.0.2.1', '192.0.2.1'],
    // An IPv6 peer is its /64.
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
    ['2001:DB8:0001:0002::1', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8::', '2001:db8:0:0::/64'],
    ['2001:db8:1:2:3::192.0.2.1', '2001:db8:1:2::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::3:4:5:6:7:8', '0:0:3:4::/64'],
    // A Unix socket has no address.
    [undefined, 'local'],
  ])('%s is %s', (address, source) => {
    expect(sourceOf(address)).toBe(source)
  })

  it('tells neighbours apart by exactly the prefix', () => {
    expect(sourceOf('192.0.2.1')).not.toBe(sourceOf('192.0.2.2'))
    expect(sourceOf('2001:db8:1:2::1')).toBe(sourceOf('2001:db8:1:2:ffff:ffff:ffff:ffff'))
    expect(sourceOf('2001:db8:1:2::1')).not.toBe(sourceOf('2001:db8:1:3::1'))
  })
})
