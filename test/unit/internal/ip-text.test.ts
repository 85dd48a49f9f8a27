import { isIP } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ipVersion } from '../../../src/internal/ip-text.ts'

describe('ipVersion', () => {
  it.each([
    '', '1.2.3.4', '255.255.255.255', '256.1.1.1', '01.2.3.4', '1.2.3', '1.2.3.4.5', '1.2.3.4 ', '::', '::1', '1::', '1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1::2::3', ':::',
    ':1', '1:', '12345::', 'g::', '::ffff:1.2.3.4', '::1.2.3.256', '1:2:3:4:5:6:1.2.3.4', '1:2:3:4:5:6:7:1.2.3.4', '1.2.3.4::', '2001:DB8::A', '1:2:3:4:5:6:7::', '::2:3:4:5:6:7:8', '1::3:4:5:6:7:8', '[::1]', 'example.org',
  ])('%j as the platform has it', (text) => {
    expect(ipVersion(text)).toBe(isIP(text))
  })

  it('agrees with the platform on what looks like an address', () => {
    fc.assert(fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string({ unit: fc.constantFrom(...Array.from('0159af:.')), maxLength: 24 })), (text) => {
      expect(ipVersion(text)).toBe(isIP(text))
    }), { numRuns: 3000 })
  })

  it('takes no zone', () => {
    expect(ipVersion('fe80::1%eth0')).toBe(0)
  })
})
