// Strict base64 and base64url (RFC 4648).

import { randomBytes } from 'node:crypto'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { toUpperHex } from '../../../src/internal/bytes.ts'
import {
  decodeBase64,
  decodeBase64Lines,
  decodeBase64url,
  encodeBase64,
  encodeBase64Lines,
  encodeBase64url,
  readBase64url,
} from '../../../src/internal/encodings/base64.ts'

const malformed = expect.objectContaining({ code: 'ERR_BASE64' })

describe('hexadecimal', () => {
  it('is written with two digits an octet, in upper case', () => {
    for (let length = 0; length < 70; length++) {
      const octets = randomBytes(length)
      const view = new Uint8Array(octets.buffer, octets.byteOffset, length)
      expect(toUpperHex(view)).toBe(octets.toString('hex').toUpperCase())
    }
    const all = Uint8Array.from({ length: 256 }, (_, octet) => octet)
    expect(toUpperHex(all.subarray(160, 192))).toBe(
      Buffer.from(all).toString('hex').toUpperCase().slice(320, 384),
    )
  })
})

describe('base64', () => {
  it.each([0, 1, 2, 3, 4, 5, 31, 32, 33, 63, 64, 65, 300, 4095, 4096, 4097, 12_287, 12_288, 12_289, 50_000])(
    '%i octets agree with the platform, both ways',
    (length) => {
      const octets = randomBytes(length)
      const text = octets.toString('base64')
      expect(encodeBase64(octets)).toBe(text)
      expect(Buffer.from(decodeBase64(text))).toEqual(octets)
      expect(encodeBase64url(octets)).toBe(octets.toString('base64url'))
      const lines = text.replace(/.{1,64}/g, '$&\n')
      expect(encodeBase64Lines(octets)).toBe(lines)
      expect(Buffer.from(decodeBase64Lines(lines, 0, lines.length))).toEqual(octets)
      expect(
        Buffer.from(
          decodeBase64Lines(
            `x\t\r\n${lines.replaceAll('\n', ' \r\n')}y`,
            1,
            lines.replaceAll('\n', ' \r\n').length + 4,
          ),
        ),
      ).toEqual(octets)
      expect(Buffer.from(decodeBase64url(octets.toString('base64url')))).toEqual(octets)
      expect(Buffer.from(readBase64url(octets.toString('base64url')))).toEqual(octets)
    },
  )

  it('breaks lines after 64 characters, whatever is left over', () => {
    const octets = randomBytes(200)
    for (let length = 0; length <= 200; length++) {
      expect(encodeBase64Lines(octets.subarray(0, length))).toBe(
        octets.toString('base64', 0, length).replace(/.{1,64}/g, '$&\n'),
      )
    }
  })

  it('encodes a part', () => {
    const octets = randomBytes(70)
    for (let end = 1; end < 70; end++)
      expect(encodeBase64url(octets, 1, end)).toBe(octets.toString('base64url', 1, end))
  })

  it('refuses a text of the greatest short length with characters outside ASCII', () => {
    for (const odd of ['\u00e9', '\u0141', '\u{1f600}', '\ud83d'])
      for (const text of [
        odd.repeat(16 * 1024).slice(0, 16 * 1024),
        `${'A'.repeat(16_380)}${odd}`.padEnd(16_384, 'A'),
      ]) {
        expect(() => decodeBase64(text)).toThrow(malformed)
        expect(() => decodeBase64Lines(text, 0, text.length)).toThrow(malformed)
      }
  })

  it('keeps nothing of what it has converted, which may be a private key', () => {
    const read = vi.spyOn(Buffer.prototype, 'write')
    const written = vi.spyOn(Buffer.prototype, 'toString')
    onTestFinished(() => void [read.mockRestore(), written.mockRestore()])
    const text = 'QUJD'.repeat(100)
    void decodeBase64(text)
    void decodeBase64Lines(text, 0, text.length)
    for (const odd of ['!', '\u00e9'])
      expect(() => decodeBase64Lines(text + odd, 0, text.length + 1)).toThrow(malformed)
    void encodeBase64(Buffer.from('ABC'))
    void encodeBase64Lines(Buffer.from('ABC'))
    const buffers = [...read.mock.contexts, ...written.mock.contexts] as Buffer[]
    expect(buffers).toHaveLength(6)
    for (const buffer of buffers) expect(buffer.every((octet) => octet === 0)).toBe(true)
  })

  const long = Buffer.alloc(20_000, 7).toString('base64')
  it.each([
    'A',
    'AA',
    'AAA',
    'AAAA=',
    '=',
    '==',
    '====',
    'A===',
    'AA=A',
    'AB==',
    '-A==',
    'A-A=',
    'A\u0141==',
    'AAB=',
    'AAAA ',
    ' AAAA',
    'AA\nAA',
    'AA-_',
    'AAA\u00e9',
    'AAA\u0141',
    'AA==AAAA',
    `${long.slice(0, -4)}AA-_`,
    `${long.slice(0, -8)}AA==AAAA`,
    `${long} AAA`,
  ])('refuses %#', (text) => {
    expect(() => decodeBase64(text)).toThrow(malformed)
    if (!/[\sé]/.test(text)) expect(() => decodeBase64Lines(text, 0, text.length)).toThrow(malformed)
  })

  it.each(['A', 'AAAAA', 'AA==', 'AA+/', 'AB', 'AAB', 'AA A', 'AA\n', '\0AA', 'AAA\u00e9', 'AAA\u0141', '='])(
    'refuses base64url %j',
    (text) => {
      expect(() => decodeBase64url(text)).toThrow(malformed)
      expect(() => readBase64url(text)).toThrow(malformed)
    },
  )
})
