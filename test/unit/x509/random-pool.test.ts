// Random octets that were handed out do not stay in the pool.

import { describe, expect, it, vi } from 'vitest'
import { generateSerialNumber } from '../../../src/x509/serial-number.ts'

describe('generateSerialNumber', () => {
  it('wipes what it takes from its pool', () => {
    const fill = vi.spyOn(Uint8Array.prototype, 'fill')
    const serial = generateSerialNumber()
    const [value, from, to] = fill.mock.calls[0] ?? []
    const pool = fill.mock.contexts[0] as unknown as Uint8Array
    fill.mockRestore()
    expect(value).toBe(0)
    expect((to as number) - (from as number)).toBe(16)
    expect(pool.subarray(from, to).every((octet) => octet === 0)).toBe(true)
    expect(serial.subarray(1).some((octet) => octet !== 0)).toBe(true)
  })

  it('hands no octet out twice', () => {
    const serials = Array.from({ length: 1000 }, () => Buffer.from(generateSerialNumber()).toString('hex'))
    expect(new Set(serials).size).toBe(1000)
  })
})
