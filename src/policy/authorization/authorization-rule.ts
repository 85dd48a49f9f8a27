// The rules of an AuthorizationPolicy: validated as Istio does, and compiled into tests.

import type { DocumentReader, PolicyPath } from '../document-reader.ts'
import { addressTest, portTest, textTest } from './attribute-test.ts'
import type { AttributeTest, FieldValues, TextsOf } from './attribute-test.ts'
import { conditionOf } from './condition.ts'
import type { Facts } from './facts.ts'
import { compilePathMatch } from './request-path.ts'
import { compileHostMatch, compileStringMatch, isExact } from './string-match.ts'

/** Keys: a request must have one of them for the rule to match; undefined if it need not. */
interface ExactKeys {
  readonly sources: readonly string[] | undefined
  readonly paths: readonly string[] | undefined
}

/** One rule: any of `from`, any of `to`, and all of `when`. An empty list always matches. */
export interface AuthorizationRule {
  /** `namespace/name[index]`. */
  readonly name: string
  readonly from: readonly (readonly AttributeTest[])[]
  readonly to: readonly (readonly AttributeTest[])[]
  readonly when: readonly AttributeTest[]
  readonly keys: ExactKeys
}

/** The context in which a rule is read. */
export interface RuleContext {
  readonly namespace: string
  /** Rewrites a principal of a policy to the name of our own trust domain. */
  readonly principal: (text: string) => string
}

/**
 * Whether the rule matches. For a connection that is not HTTP, a DENY rule is evaluated without its HTTP
 * attributes.
 */
export function ruleMatches({ from, to, when }: AuthorizationRule, facts: Facts, denies: boolean): boolean {
  const holds = (tests: readonly AttributeTest[]): boolean =>
    tests.every((test) => (facts.http || !test.http ? test.holds(facts, denies) : denies))
  return (from.length === 0 || from.some(holds)) && (to.length === 0 || to.some(holds)) && holds(when)
}

/** Reads one entry of `rules`. */
export function readRule(rule: DocumentReader, name: string, context: RuleContext): AuthorizationRule {
  const keys = {
    source: [] as (readonly string[] | undefined)[],
    path: [] as (readonly string[] | undefined)[],
  }
  const from = parts(rule, 'from', 'source', (source) => {
    const { tests, exact } = readSource(source, context)
    keys.source.push(exact)
    return tests
  })
  const to = parts(rule, 'to', 'operation', (operation) => {
    const { tests, exact } = readOperation(operation)
    keys.path.push(exact)
    return tests
  })
  const when: AttributeTest[] = []
  rule.objects('when', (condition) => {
    const key = condition.text('key') ?? condition.missing('key')
    const made = conditionOf(key, context.principal)
    if (typeof made === 'string') return condition.fault('key', made)
    const [values, notValues] = [fieldOf(condition, 'values'), fieldOf(condition, 'notValues')]
    if (values === undefined && notValues === undefined) condition.missing('values or notValues')
    if (values !== undefined) when.push(made(values))
    if (notValues !== undefined) when.push(made({ ...notValues, negative: true }))
    condition.finish()
  })
  rule.finish()
  return { name, from, to, when, keys: { sources: allOf(keys.source), paths: allOf(keys.path) } }
}

/** `from: [{ source: … }]` and `to: [{ operation: … }]`. */
function parts(
  rule: DocumentReader,
  list: string,
  key: string,
  read: (part: DocumentReader) => AttributeTest[],
): readonly (readonly AttributeTest[])[] {
  const found: AttributeTest[][] = []
  const given = rule.objects(list, (entry) => {
    const part = entry.object(key) ?? entry.missing(key)
    entry.finish()
    const tests = read(part)
    part.finish()
    // An empty object would match everything.
    if (tests.length === 0) part.faultAt(part.path, 'is empty; it needs at least one field')
    found.push(tests)
  })
  if (given && found.length === 0) rule.fault(list, 'is an empty list; omit the key to allow any value')
  return found
}

interface ReadPart {
  readonly tests: AttributeTest[]
  /** Keys of which a request must have one for these tests to hold; undefined: any request may. */
  readonly exact: readonly string[] | undefined
}

function readSource(source: DocumentReader, { namespace, principal }: RuleContext): ReadPart {
  const tests: AttributeTest[] = []
  let exact: readonly string[] | undefined
  const text = (field: string, http: boolean, of: TextsOf): void => {
    for (const negative of [false, true]) {
      const given = fieldOf(source, negative ? negated(field) : field)
      if (given === undefined) continue
      const values = given.values.map((value) => fieldValue(field, value, namespace, principal))
      tests.push(textTest(http, of, compileStringMatch, { ...given, values, negative }))
      if (!negative && values.every(isExact)) exact ??= values.map((value) => `${field} ${value}`)
    }
  }
  text('principals', false, (facts) => facts.principals)
  text('requestPrincipals', true, (facts) => facts.requestPrincipals)
  text('namespaces', false, (facts) => facts.namespaces)
  text('serviceAccounts', false, (facts) => facts.serviceAccounts)
  addresses(source, tests, 'ipBlocks', (facts) => facts.sourceIp)
  addresses(source, tests, 'remoteIpBlocks', (facts) => facts.remoteIp)
  const { value } = source
  if (
    Object.hasOwn(value, 'serviceAccounts') &&
    ['principals', 'namespaces'].some((other) => Object.hasOwn(value, other))
  )
    source.fault('serviceAccounts', 'cannot be combined with principals or namespaces')
  return { tests, exact }
}

function fieldValue(
  field: string,
  value: string,
  namespace: string,
  principal: (text: string) => string,
): string {
  if (field === 'principals') return principal(value)
  return field === 'serviceAccounts' && !value.includes('/') ? `${namespace}/${value}` : value
}

function addresses(
  source: DocumentReader,
  tests: AttributeTest[],
  field: string,
  of: (facts: Facts) => Uint8Array | undefined,
): void {
  for (const negative of [false, true]) {
    const given = fieldOf(source, negative ? negated(field) : field)
    if (given !== undefined) tests.push(addressTest(of, { ...given, negative }))
  }
}

function readOperation(operation: DocumentReader): ReadPart {
  const tests: AttributeTest[] = []
  let exact: readonly string[] | undefined
  const fields = [
    ['hosts', ({ hosts }: Facts) => hosts, compileHostMatch],
    ['methods', ({ methods }: Facts) => methods, compileStringMatch],
    ['paths', ({ paths }: Facts) => paths, compilePathMatch],
  ] as const
  for (const [field, of, compile] of fields) {
    for (const negative of [false, true]) {
      const given = fieldOf(operation, negative ? negated(field) : field)
      if (given === undefined) continue
      tests.push(textTest(true, of, compile, { ...given, negative }))
      if (field === 'paths' && !negative && given.values.every(isExact))
        exact = given.values.map((value) => `paths ${value}`)
    }
  }
  for (const negative of [false, true]) {
    const given = fieldOf(operation, negative ? 'notPorts' : 'ports')
    if (given !== undefined) tests.push(portTest({ ...given, negative }))
  }
  return { tests, exact }
}

function negated(field: string): string {
  return `not${field.slice(0, 1).toUpperCase()}${field.slice(1)}`
}

/** A list of texts that are not empty, at least one. */
function fieldOf(reader: DocumentReader, field: string): FieldValues | undefined {
  const values: string[] = []
  const place: PolicyPath = [...reader.path, field]
  const given = reader.list(field, (value, path) => {
    if (typeof value !== 'string' || value === '' || value.length > 2048)
      return reader.faultAt(path, 'expected text of 1 to 2,048 characters; write numbers in quotes')
    values.push(value)
  })
  if (given === undefined) return undefined
  if (values.length === 0) reader.faultAt(place, 'is an empty list; omit the key')
  return { values, negative: false, fault: (i, message) => reader.faultAt([...place, i], message) }
}

function allOf(parts: readonly (readonly string[] | undefined)[]): readonly string[] | undefined {
  const all: string[] = []
  for (const keys of parts) {
    if (keys === undefined) return undefined
    all.push(...keys)
  }
  return all.length === 0 ? undefined : all
}
