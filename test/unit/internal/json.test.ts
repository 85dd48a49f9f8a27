// The strict JSON reader and writer (RFC 8259).

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatJson, isJsonObject, parseJson } from '../../../src/internal/json.ts'
import type { JsonValue } from '../../../src/internal/json.ts'

const malformed = expect.objectContaining({ code: 'ERR_JSON' }) as unknown
const overLimit = expect.objectContaining({ code: 'ERR_LIMIT_EXCEEDED' }) as unknown
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('parseJson', () => {
  it.each([
    'null',
    'true',
    'false',
    '0',
    '-1',
    '1.5',
    '1e3',
    '1E-2',
    '1.25e+2',
    '9007199254740991',
    '""',
    '"a"',
    '[]',
    '{}',
    ' [ 1 , 2 ] ',
    '\t\r\n{"a":[{"b":null}]}',
    '"\\u0041\\n\\/\\\\\\"\\b\\f\\r\\t"',
    '"\\ud83e\\udd2f🤯"',
    '"\u2028\u007f"',
    '{"":1,"toString":2,"hasOwnProperty":3,"constructor":"x","prototype":{}}',
    '{"b":1,"a":2,"10":3}',
    '[[[[]]]]',
  ])('reads %j as the platform does', (text) => {
    expect(JSON.parse(formatJson(parseJson(text)))).toEqual(JSON.parse(text))
    expect(formatJson(parseJson(bytes(text)))).toBe(JSON.stringify(JSON.parse(text)))
  })

  it.each([
    '',
    ' ',
    '[',
    ']',
    '{',
    '}',
    '[1',
    '[1,',
    '[1,]',
    '[,1]',
    '{"a"',
    '{"a":',
    '{"a":1',
    '{"a":1,',
    '{"a":1,}',
    '{a:1}',
    "{'a':1}",
    '{1:2}',
    '{"a" 1}',
    '[1 2]',
    '1 2',
    'nul',
    'nulll',
    'True',
    'NaN',
    'Infinity',
    '-',
    '+1',
    '01',
    '-01',
    '.5',
    '1.',
    '1e',
    '1e+',
    '0x1',
    '1_0',
    '"',
    '"a',
    '"\\',
    '"\\"',
    '"\\x"',
    '"\\u12"',
    '"\\u12g4"',
    '"\n"',
    '"\0"',
    '"\u001f"',
    '/**/1',
    '1//',
    '\ufeff1',
    '\u00a01',
    '1e999',
    '-1e999',
    '"\\ud800"',
    '"\\udc00\\ud800"',
    '"\\ud800x"',
    '[undefined]',
  ])('refuses %j', (text) => {
    expect(() => parseJson(text)).toThrow(malformed)
    expect(() => parseJson(bytes(text))).toThrow(malformed)
  })

  it.each([
    '{"a":1,"a":1}',
    '{"a":null,"a":1}',
    '{"":0,"":0}',
    '{"a":1,"\\u0061":2}',
    '[{"x":{"a":1,"b":2,"a":3}}]',
  ])('refuses the duplicate key in %s', (text) => {
    expect(() => parseJson(text)).toThrow(malformed)
  })

  it.each(['{"__proto__":1}', '{"a":{"\\u005f_proto__":{}}}', '{"constructor":{"prototype":{}}}'])(
    'refuses the way to a prototype in %s',
    (text) => {
      expect(() => parseJson(text)).toThrow(malformed)
    },
  )

  it('makes objects without a prototype', () => {
    const value = parseJson('{"a":{}}')
    expect(Object.getPrototypeOf(value)).toBeNull()
    expect(isJsonObject(value) && Object.getPrototypeOf(value['a'])).toBeNull()
    expect(isJsonObject(value) && value['toString']).toBeUndefined()
  })

  it.each([
    [[0xff]],
    [[0x22, 0xc0, 0x80, 0x22]],
    [[0x22, 0xed, 0xa0, 0x80, 0x22]],
    [[0x22, 0xe2, 0x82, 0x22]],
    [[0xef, 0xbb, 0xbf, 0x31]],
  ])('refuses the bytes %j, which are not UTF-8 without byte order mark', (input) => {
    expect(() => parseJson(Uint8Array.from(input))).toThrow(malformed)
  })

  it('names the byte order mark that it refuses', () => {
    expect(() => parseJson('\ufeff{}')).toThrow('a byte order mark')
  })

  it.each(['"\ud800"', '["x","\udc00"]', '{"\ud800":1}', '["\ud83e","\udd2f"]'])(
    'refuses the lone surrogate in %j, given as text',
    (text) => {
      expect(() => parseJson(text)).toThrow(malformed)
    },
  )

  it.each([
    '["a","b\n"]',
    '["a\u0000","b"]',
    '{"a\t":"b"}',
    '{"a":"b","c',
    '["a","b\\ud800"]',
    '["a\\q","b"]',
  ])('finds the wrong string among others in %j', (text) => {
    expect(() => parseJson(text)).toThrow(malformed)
    expect(() => parseJson(bytes(text))).toThrow(malformed)
  })

  it('never quotes the document in the message', () => {
    expect(() => parseJson('{"token":"s3cret" x')).toThrow(/^(?!.*s3cret)/)
  })

  it.each([
    ['9007199254740991', 9007199254740991],
    ['9007199254740992', 9007199254740992n],
    ['-9007199254740993', -9007199254740993n],
    ['18446744073709551615', 18446744073709551615n],
    ['1e3', 1000],
    ['1e20', 1e20],
  ])('reads %s with big integers as %s', (text, value) => {
    expect(parseJson(text, { bigIntegers: true })).toBe(value)
    expect(typeof parseJson(text)).toBe('number')
  })

  it('has limits', () => {
    expect(() => parseJson('"é"', { maxBytes: 3 })).toThrow(overLimit)
    expect(parseJson('"é"', { maxBytes: 4 })).toBe('é')
    expect(() => parseJson(new Uint8Array(2 ** 20 + 1))).toThrow(overLimit)
    expect(() => parseJson('[[[]]]', { maxDepth: 2 })).toThrow(overLimit)
    expect(parseJson('[[]]', { maxDepth: 2 })).toEqual([[]])
    expect(() => parseJson('{"a":{"a":{}}}', { maxDepth: 2 })).toThrow(overLimit)
    expect(() => parseJson('[1,2,3]', { maxValues: 3 })).toThrow(overLimit)
    expect(parseJson('[1,2,3]', { maxValues: 4 })).toEqual([1, 2, 3])
    expect(() => parseJson('9'.repeat(1000), { bigIntegers: true })).toThrow(overLimit)
  })

  it.each([
    '['.repeat(500_000),
    '{"a":'.repeat(200_000),
    '"'.repeat(500_001),
    '"\\'.repeat(200_000),
    ' '.repeat(1_000_000),
    '9'.repeat(1_000_000),
    `[${'1,'.repeat(400_000)}`,
  ])('refuses a long malformed document without a stack overflow (%#)', (text) => {
    expect(() => parseJson(text)).toThrow(expect.objectContaining({ name: 'PkiError' }))
  })
})

describe('parseJson against the platform', () => {
  const token = fc.constantFrom(
    ...Array.from('{}[],:"\\ 019-+.eEtfnu'),
    'true',
    'null',
    '"a"',
    '"b":',
    '1',
    '{"a":',
    '[1,',
    '\\u0041',
    '\\ud800',
    '\n',
    '"__proto__":',
  )
  const platform = (text: string): { value: unknown } | undefined => {
    try {
      return { value: JSON.parse(text) }
    } catch {
      return undefined
    }
  }

  it('accepts nothing that JSON.parse refuses, and reads the same', () => {
    fc.assert(
      fc.property(
        fc.array(token, { maxLength: 12 }).map((tokens) => tokens.join('')),
        (text) => {
          let value: JsonValue
          try {
            value = parseJson(text)
          } catch (error) {
            expect(error).toMatchObject({ name: 'PkiError' })
            return
          }
          expect(formatJson(value)).toBe(JSON.stringify(platform(text)?.value))
        },
      ),
      { numRuns: 5000 },
    )
  })

  it('reads every well-formed value', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.integer({ min: 0, max: 3 }), (value, indent) => {
        const text = JSON.stringify(value)
        fc.pre(!text.includes('__proto__') && !/\\ud[89a-f]/i.test(text))
        expect(formatJson(parseJson(JSON.stringify(value, null, indent)))).toBe(text)
        expect(JSON.parse(formatJson(parseJson(text), indent))).toEqual(JSON.parse(text))
      }),
    )
  })
})

describe('formatJson', () => {
  it('writes what parseJson reads, BigInt included', () => {
    const value: JsonValue = { a: 18446744073709551615n, b: [1, 'x\n', null, true, {}], c: undefined, d: [] }
    const text = '{"a":18446744073709551615,"b":[1,"x\\n",null,true,{}],"d":[]}'
    expect(formatJson(value)).toBe(text)
    expect(formatJson(parseJson(text, { bigIntegers: true }))).toBe(text)
    expect(formatJson(value, 2)).toBe(
      '{\n  "a": 18446744073709551615,\n  "b": [\n    1,\n    "x\\n",\n    null,\n    true,\n    ' +
        '{}\n  ],\n  "d": []\n}',
    )
  })
})
