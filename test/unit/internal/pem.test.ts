import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeOnePem, decodePem, decodePemBlocks, encodePem, looksLikePem } from '../../../src/internal/pem.ts'

const code = (value: string) => expect.objectContaining({ code: value })
const octets = Uint8Array.from(randomBytes(100))
const block = encodePem('CERTIFICATE', octets)
const body = block.split('\n').slice(1, -2).join('\n')
const [begin, end] = ['-----BEGIN CERTIFICATE-----', '-----END CERTIFICATE-----']

describe('decodePem', () => {
  it.each([
    ['as it is written', block],
    ['with CRLF', block.replaceAll('\n', '\r\n')],
    ['with CR', block.replaceAll('\n', '\r')],
    ['without a last line end', block.trimEnd()],
    ['with text around it', `subject=CN = a\n\n${block}trailing text: with a colon\n`],
    ['with blanks after its lines', block.replaceAll('\n', ' \t\n')],
    ['with an empty line in it', `${begin}\n\n${body}\n${end}`],
    ['on lines of another length', `${begin}\n${body.replaceAll('\n', '').replace(/.{1,76}/g, '$&\n')}${end}\n`],
  ])('reads a block %s', (_, text) => {
    expect(decodePem(text)).toEqual([{ label: 'CERTIFICATE', der: octets }])
    expect(decodePem(Buffer.from(text))).toEqual([{ label: 'CERTIFICATE', der: octets }])
  })

  it('reads several blocks, with their labels, in order', () => {
    const other = encodePem('X509 CRL', Uint8Array.of(1))
    expect(decodePem(block + other + block).map(({ label }) => label)).toEqual(['CERTIFICATE', 'X509 CRL', 'CERTIFICATE'])
    expect(decodePemBlocks(block + other + block, ['CERTIFICATE'])).toHaveLength(2)
    expect(decodeOnePem(block + other, ['X509 CRL'])).toEqual(Uint8Array.of(1))
    expect(decodePem('')).toEqual([])
    expect(decodePem('no block at all')).toEqual([])
  })

  it.each([
    ['no END line', `${begin}\n${body}\n`],
    ['another label at its end', `${begin}\n${body}\n-----END X509 CRL-----\n`],
    ['an END line alone', `${end}\n`],
    ['an END line before it', `${end}\n${block}`],
    ['an END line between two', `${block}${end}\n${block}`],
    ['a BEGIN line in it', `${begin}\n${begin}\n${body}\n${end}`],
    ['nothing in it', `${begin}\n${end}`],
    ['white space in it', `${begin}\n \n${end}`],
    ['headers', `${begin}\nProc-Type: 4,ENCRYPTED\n\n${body}\n${end}`],
    ['a BEGIN line that does not start its line', `x${block}`],
    ['an END line that does not start its line', `${begin}\n${body}${end}\n`],
    ['base64 on the BEGIN line', `${begin}${body}\n${end}\n`],
    ['text after the END line', `${begin}\n${body}\n${end}x\n`],
    ['a label in lower case', block.replaceAll('CERTIFICATE', 'certificate')],
    ['no label', '-----BEGIN -----\nAAAA\n-----END -----\n'],
    ['a label without its dashes', '-----BEGIN CERTIFICATE\nAAAA\n-----END CERTIFICATE-----\n'],
    ['a label that is too long', encodePem('A'.repeat(65), octets)],
    ['a character that is not of the alphabet', block.replace(body, `*${body.slice(1)}`)],
    ['the URL alphabet', `${begin}\nAA_A\n${end}`],
    ['no padding', `${begin}\nAA\n${end}`],
    ['padding in the middle', `${begin}\nAA==AAAA\n${end}`],
    ['too much padding', `${begin}\nAAA==\n${end}`],
    ['bits left over', `${begin}\nAB==\n${end}`],
    ['a character beyond ASCII', `${begin}\nAAA\u00e9\n${end}`],
  ])('refuses a block with %s', (_, text) => {
    expect(() => decodePem(text)).toThrow(code('ERR_PEM'))
  })

  it('has limits', () => {
    expect(() => decodePem(block, 50)).toThrow(code('ERR_LIMIT_EXCEEDED'))
    expect(() => decodePem('-----BEGIN A-----\nAA==\n-----END A-----\n'.repeat(65_537))).toThrow(code('ERR_LIMIT_EXCEEDED'))
  })

  it('says what it found instead of what was wanted', () => {
    expect(() => decodePemBlocks(block, ['X509 CRL'])).toThrow(expect.objectContaining({ code: 'ERR_PEM', message: expect.stringContaining('CERTIFICATE') as unknown }))
    expect(() => decodeOnePem(block + block, ['CERTIFICATE'])).toThrow(code('ERR_PEM'))
    expect(() => decodePemBlocks('', ['CERTIFICATE'])).toThrow(code('ERR_PEM'))
  })

  it('reads what it wrote, whatever stands around it', () => {
    fc.assert(fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 5 }), fc.constantFrom('\n', '\r\n'), (all, lineEnd) => {
      const text = all.map((one, i) => `text ${i}\n${encodePem('X509 CRL', one)}`).join('').replaceAll('\n', lineEnd)
      expect(decodePem(text).map(({ der }) => der)).toEqual(all)
    }))
  })
})

describe('looksLikePem', () => {
  it.each([
    [Buffer.from(block), true],
    [Buffer.from(`0 of 1\n${block}`), true],
    [Uint8Array.of(0x30, 0x82, 1, 0), false],
    [Buffer.concat([Uint8Array.of(0x30, 0x82, 1, 0), Buffer.from(block)]), false],
    [new Uint8Array(0), false],
  ])('%#', (bytes, wanted) => {
    expect(looksLikePem(bytes)).toBe(wanted)
  })
})
