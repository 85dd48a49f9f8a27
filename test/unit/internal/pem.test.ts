// Strict PEM (RFC 7468).

import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeOnePem,
  decodePem,
  decodePemBlocks,
  encodePem,
  looksLikePem,
} from '../../../src/internal/pem.ts'
import { code } from '../../support/codes.ts'

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
    [
      'on lines of another length',
      `${begin}\n${body.replaceAll('\n', '').replace(/.{1,76}/g, '$&\n')}${end}\n`,
    ],
  ])('reads a block %s', (_, text) => {
    expect(decodePem(text)).toEqual([{ label: 'CERTIFICATE', der: octets }])
    expect(decodePem(Buffer.from(text))).toEqual([{ label: 'CERTIFICATE', der: octets }])
  })

  it('reads several blocks, with their labels, in order', () => {
    const other = encodePem('X509 CRL', Uint8Array.of(1))
    expect(decodePem(block + other + block).map(({ label }) => label)).toEqual([
      'CERTIFICATE',
      'X509 CRL',
      'CERTIFICATE',
    ])
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
    ['blanks before its BEGIN line', `  ${block}`],
    ['a BEGIN line that does not start its line', `x${block}`],
    ['an END line that does not start its line', `${begin}\n${body}${end}\n`],
    ['base64 on the BEGIN line', `${begin}${body}\n${end}\n`],
    ['text after the END line', `${begin}\n${body}\n${end}x\n`],
    ['a label without its dashes', '-----BEGIN CERTIFICATE\nAAAA\n-----END CERTIFICATE-----\n'],
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
    expect(() => decodePem(block, undefined, 50)).toThrow(code('ERR_LIMIT_EXCEEDED'))
    expect(() => decodePem('-----BEGIN A-----\nAA==\n-----END A-----\n'.repeat(65_537))).toThrow(
      code('ERR_LIMIT_EXCEEDED'),
    )
  })

  it('says what it found instead of what was wanted', () => {
    expect(() => decodePemBlocks(block, ['X509 CRL'])).toThrow(
      expect.objectContaining({
        code: 'ERR_PEM',
        message: expect.stringContaining('CERTIFICATE') as unknown,
      }),
    )
    expect(() => decodeOnePem(block + block, ['CERTIFICATE'])).toThrow(code('ERR_PEM'))
    expect(() => decodePemBlocks('', ['CERTIFICATE'])).toThrow(code('ERR_PEM'))
  })

  it('reads what it wrote, whatever stands around it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 5 }),
        fc.constantFrom('\n', '\r\n'),
        (all, lineEnd) => {
          const text = all
            .map((one, i) => `text ${i}\n${encodePem('X509 CRL', one)}`)
            .join('')
            .replaceAll('\n', lineEnd)
          expect(decodePem(text).map(({ der }) => der)).toEqual(all)
        },
      ),
    )
  })
})

describe('a body', () => {
  // Above 16 Ki characters another decoder is used: both have the same rules.
  const bodies = [
    ['short', randomBytes(99)],
    ['long', randomBytes(30_000)],
  ] as const
  const rows: readonly (readonly [string, (base64: string) => string])[] = [
    ['a vertical tab', (base64) => `${base64}\v`],
    ['a form feed', (base64) => `\f${base64}`],
    ['a no-break space', (base64) => `${base64}\u00a0`],
    ['a line separator', (base64) => `${base64}\u2028`],
    ['a NUL', (base64) => `${base64}\0`],
    ['a mark of byte order', (base64) => `\ufeff${base64}`],
    ['a letter that looks like one', (base64) => base64.replace(/^./, '\u0410')],
    ['a full-width letter', (base64) => base64.replace(/^./, '\uff21')],
    ['one character less', (base64) => base64.slice(1)],
    ['three characters more', (base64) => `${base64}AAA`],
    ['a padded quantum more', (base64) => `${base64.slice(0, -4)}AA==AA==`],
    ['padding alone', (base64) => `${base64}====`],
    ['padding at its beginning', (base64) => `=${base64.slice(1)}`],
    ['bits left over', (base64) => `${base64}AB==`],
    ['bits left over of two octets', (base64) => `${base64}AAB=`],
    ['a comment', (base64) => `${base64}\n# comment`],
    ['a checksum of OpenPGP', (base64) => `${base64}\n=aaaa`],
  ]
  it.each(
    bodies.flatMap(([length, bytes]) => rows.map(([what, change]) => [length, what, bytes, change] as const)),
  )('that is %s is refused with %s', (_length, _what, bytes, change) => {
    const base64 = bytes.toString('base64')
    expect(decodePem(`${begin}\n${base64}\n${end}`)).toEqual([
      { label: 'CERTIFICATE', der: new Uint8Array(bytes) },
    ])
    expect(() => decodePem(`${begin}\n${change(base64)}\n${end}`)).toThrow(code('ERR_PEM'))
    // As octets, nothing of it becomes another character.
    expect(() => decodePem(Buffer.from(`${begin}\n${change(base64)}\n${end}`))).toThrow(code('ERR_PEM'))
  })

  it.each([
    ['six dashes', `-${block}`],
    ['four dashes', block.slice(1)],
    ['a label of two blanks', encodePem('X509  CRL', octets)],
    ['a label that ends in a blank', encodePem('CERTIFICATE ', octets)],
    ['a label with a line end', encodePem('X509\nCRL', octets)],
    ['a label with a letter beyond ASCII', encodePem('CERTIFICAT\u0415', octets)],
    ['another block in it', `${begin}\n${block}${end}\n`],
    ['an END line of six dashes', block.replace(end, `${end}-`)],
    [
      'its lines numbered',
      block
        .split('\n')
        .map((text, i) => `${i} ${text}`)
        .join('\n'),
    ],
    ['a second BEGIN line', `${begin}\n${block}`],
    ['blanks before its lines', block.replaceAll(/^/gm, '  ')],
  ])('has its own lines around it, without %s', (_what, text) => {
    // Either it is no block at all, or a malformed one; never a certificate.
    let found: readonly unknown[] = []
    try {
      found = decodePem(text, ['CERTIFICATE'])
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_PEM' })
    }
    expect(found).toEqual([])
  })

  it('is read, or refused by a code, whichever character is changed', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.oneof(
          fc.constantFrom(...Array.from('\r\n -=:AZaz09+/\0')),
          fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
        ),
        (place, character) => {
          const index = place % block.length
          let found: readonly { readonly der: Uint8Array }[]
          try {
            found = decodePem(block.slice(0, index) + character + block.slice(index + 1))
          } catch (error) {
            expect(error).toMatchObject({ code: 'ERR_PEM' })
            return
          }
          // No text means less than it holds: one block, or none where the first dashes are gone.
          expect(found.length).toBeLessThanOrEqual(1)
        },
      ),
      { numRuns: 3000 },
    )
  })

  it('costs what its length is, however many marks there are', () => {
    const million = 1_000_000
    for (const text of [
      '-----BEGIN '.repeat(million / 11),
      '-----END '.repeat(million / 9),
      '\n'.repeat(million),
      `${begin}\n${'\n'.repeat(million)}`,
      '-'.repeat(million),
      `${begin}\n`.repeat(million / 28),
    ]) {
      // A quadratic scan takes minutes, which the limit of a test is not.
      try {
        decodePem(text)
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_PEM' })
      }
    }
  })
})

describe('a byte order mark', () => {
  const mark = '\ufeff'
  const one = { label: 'CERTIFICATE', der: octets }
  it.each([
    ['each of two files', `${mark}${block}${mark}${block}`],
    ['the second file alone, with line ends of Windows', `${block}${mark}${block}`.replaceAll('\n', '\r\n')],
    ['a file after a comment', `# a\n${mark}${block}\n${mark}${block}`],
  ])('before %s is passed over', (_what, text) => {
    const count = text.split('BEGIN').length - 1
    for (const given of [text, Buffer.from(text)])
      expect(decodePem(given)).toEqual(Array.from({ length: count }, () => one))
  })

  it('inside a line, twice, or before an END line is not', () => {
    for (const text of [
      `${block}a${mark}${block}`,
      `${block}${mark}${mark}${block}`,
      block.replace('-----END', `${mark}-----END`),
    ])
      for (const given of [text, Buffer.from(text)]) expect(() => decodePem(given)).toThrow(code('ERR_PEM'))
  })
})

describe('a block of another label, and text around blocks', () => {
  const lines = (...all: readonly string[]): string => `${all.join('\n')}\n`
  it.each([
    ['a byte order mark', `\ufeff${block}`],
    [
      'a label in lower case',
      lines('-----BEGIN certificate-----', 'AAAA', '-----END certificate-----') + block,
    ],
    ['a label with a slash', lines('-----BEGIN A/B #7-----', '*', '-----END A/B #7-----') + block],
    [
      'headers',
      lines('-----BEGIN RSA PRIVATE KEY-----', 'Proc-Type: 4', '', 'x', '-----END RSA PRIVATE KEY-----') +
        block,
    ],
    ['nothing inside', lines('-----BEGIN X-----', '-----END X-----') + block],
    ['no end', lines('-----BEGIN X-----', 'AAAA') + block],
    ['an end alone', lines('-----END X-----') + block],
    ['a label of 65 characters', encodePem('A'.repeat(65), octets) + block],
    ['a comment with dashes', lines('# -----BEGIN CERTIFICATE-----', '-----', '----- x') + block],
    [
      'a checksum line of PGP',
      lines('-----BEGIN PGP SIGNATURE-----', 'V: 1', '', 'A', '=a/b', '-----END PGP SIGNATURE-----') + block,
    ],
  ])('with %s is passed over', (_what, text) => {
    for (const given of [text, Buffer.from(text)])
      expect(decodePem(given, ['CERTIFICATE'])).toEqual([{ label: 'CERTIFICATE', der: octets }])
  })

  it('is named where nothing else is found', () => {
    expect(() => decodePemBlocks(encodePem('X.509 CERTIFICATE', octets), ['CERTIFICATE'])).toThrow(
      /expected a PEM block labelled CERTIFICATE, found only "X.509 CERTIFICATE"/,
    )
  })

  it.each<[string, string | Uint8Array, RegExp]>([
    ['UTF-16 with a mark', Buffer.from(`\uFEFF${block}`, 'utf16le'), /no PEM block; the text is UTF-16/],
    ['UTF-16 without one', Buffer.from(block, 'utf16le'), /the text is UTF-16, expected ASCII or UTF-8/],
    ['big-endian UTF-16', Buffer.from(`\uFEFF${block}`, 'utf16le').swap16(), /the text is UTF-16/],
    ['UTF-16 read as latin-1', Buffer.from(block, 'utf16le').toString('latin1'), /the text is UTF-16/],
    ['a value of a Kubernetes Secret', Buffer.from(block).toString('base64'), /the text is base64 of a PEM/],
    [
      'DER in base64 alone',
      Buffer.concat([Buffer.of(0x30, 0x82, 1, 0), Buffer.alloc(256)]).toString('base64'),
      /base64 without BEGIN and END/,
    ],
    ['nothing', '', /the text is empty/],
    [
      'DER read as latin-1',
      Buffer.of(0x30, 0x82, 1, 0).toString('latin1'),
      /the text is DER: give it as octets, or convert/,
    ],
    ['DER of a short length', '0w\x02\x01\x01\x04 ', /the text is DER/],
    [
      'a short DER in base64 alone',
      Buffer.concat([Buffer.of(0x30, 119), Buffer.alloc(119, 7)]).toString('base64'),
      /base64 wit/,
    ],
    ['a JSON Web Key', '{"kty":"EC"}', /the text is JSON$/],
    ['the path of a file', '/etc/ca/key.pem\n', /looks like the path of a file, expected its content$/],
    ['a relative path', '../key.pem', /looks like the path of a file/],
    ['a file URL', 'file:///etc/ca/key.pem', /looks like the path of a file/],
    ['DER read as UTF-8', Buffer.of(0x30, 0x82, 1, 0).toString('utf8'), /the text is DER: give it as octets/],
    ['an escaped line end', block.replaceAll('\n', '\\n'), /the line ends are the two characters \\n/],
  ])('%s is named as what hides the block', (_what, text, message) => {
    expect(() => decodePemBlocks(text, ['CERTIFICATE'])).toThrow(message)
  })
})

describe('looksLikePem', () => {
  it.each([
    [Buffer.from(block), true],
    [Buffer.from(`0 of 1\n${block}`), true],
    [Buffer.from(block, 'utf16le'), true],
    [Buffer.from(body), true],
    [Buffer.from(Buffer.from(octets).toString('hex')), true],
    [Buffer.from(`\uFEFF${block}`, 'utf16le'), true],
    [Uint8Array.of(0x30, 0x82, 1, 0), false],
    [Buffer.concat([Uint8Array.of(0x30, 0x82, 1, 0), Buffer.from(block)]), false],
    [new Uint8Array(0), false],
  ])('%#', (bytes, wanted) => {
    expect(looksLikePem(bytes)).toBe(wanted)
  })
})
