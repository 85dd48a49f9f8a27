// Tests of one attribute of a request: each field of a rule is compiled into one.

import { isPkiError } from '../../errors/index.ts'
import { isInNetwork, parseIpNetwork } from '../../internal/ip-address.ts'
import type { Facts } from './facts.ts'
import type { StringTest } from './string-match.ts'

/** The test of one field of a rule. */
export interface AttributeTest {
  /** Whether only HTTP requests have the attribute. */
  readonly http: boolean
  /**
   * `denies`: an attribute that is not known matches DENY rules, and does not match ALLOW rules.
   */
  holds(facts: Facts, denies: boolean): boolean
}

/**
 * The texts of an attribute; undefined if they are not known. `each`: a list in one text is also split into
 * its elements.
 */
export type TextsOf = (facts: Facts, each: boolean) => readonly string[] | undefined

/** A list of values of one field, and whether they are excluded. */
export interface FieldValues {
  readonly values: readonly string[]
  readonly negative: boolean
  readonly fault: (index: number, message: string) => never
}

/** A field whose values are matched as text. */
export function textTest(
  http: boolean,
  textsOf: TextsOf,
  compile: (text: string) => StringTest | string,
  { values, negative, fault }: FieldValues,
): AttributeTest {
  const tests = values.map((text, i) => {
    const test = compile(text)
    return typeof test === 'string' ? fault(i, test) : test
  })
  return {
    http,
    holds: (facts, denies) => {
      const found = textsOf(facts, denies !== negative)
      if (found === undefined) return denies
      return found.some((text) => tests.some((test) => test(text))) !== negative
    },
  }
}

/** A field whose values are addresses and networks. */
export function addressTest(
  addressOf: (facts: Facts) => Uint8Array | undefined,
  { values, negative, fault }: FieldValues,
): AttributeTest {
  const networks = values.map((text, i) => {
    try {
      return parseIpNetwork(text)
    } catch (error) {
      if (isPkiError(error)) return fault(i, error.message)
      throw error
    }
  })
  return {
    http: false,
    holds: (facts, denies) => {
      const address = addressOf(facts)
      if (address === undefined) return denies
      return networks.some((network) => isInNetwork(address, network)) !== negative
    },
  }
}

/** A field whose values are ports. */
export function portTest({ values, negative, fault }: FieldValues): AttributeTest {
  for (const [i, text] of values.entries())
    if (!/^[1-9][0-9]{0,4}$/.test(text) || Number(text) > 65_535)
      fault(i, `${JSON.stringify(text)} is not a port from 1 to 65535`)
  return {
    http: false,
    holds: ({ port }, denies) => (port === undefined ? denies : values.includes(port) !== negative),
  }
}
