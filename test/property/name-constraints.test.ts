// Random name constraints agree with a slow reference: RFC 5280 §6.1.3 (b), (c) and §6.1.4 (g) done
// literally, with the subtrees as explicit sets of every name that a small universe has.

import { generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Budget } from '../../src/validation/budget.ts'
import { checkNameConstraints } from '../../src/validation/names/index.ts'
import { DistinguishedName, PublicKey, buildCertificate, generalName } from '../../src/x509/index.ts'
import { ipAddressOctets } from '../../src/x509/internal.ts'
import type { Certificate, GeneralName, Signer } from '../../src/x509/index.ts'

const runs = Number(process.env['SPIFFE_PKI_PROPERTY_RUNS'] ?? 600)

type Kind = 'dns' | 'uri' | 'email' | 'ip' | 'directoryName'

interface Text {
  readonly kind: Kind
  readonly text: string
}

interface Model {
  readonly subject: string
  readonly selfIssued: boolean
  readonly names: readonly Text[]
  readonly permitted: readonly Text[]
  readonly excluded: readonly Text[]
}

describe('random name constraints', () => {
  it('agree with sets of names', async () => {
    const seen = { allowed: 0, refused: 0 }
    await fc.assert(
      fc.asyncProperty(paths, async (path) => {
        const certificates = await build(path)
        const expected = referenceAllows(path)
        const fault = checkNameConstraints(certificates, undefined, new Budget())
        expect(fault === undefined, fault?.message).toBe(expected)
        if (fault !== undefined) expect(fault.code).toBe('ERR_PATH_NAME_CONSTRAINTS')
        seen[expected ? 'allowed' : 'refused']++
      }),
      { numRuns: runs },
    )
    // The generator has to make both kinds, or the property says nothing.
    expect(Math.min(seen.allowed, seen.refused)).toBeGreaterThan(runs / 10)
  })
})

/**
 * The algorithm of section 6.1, from the anchor down; state: for each type, the names permitted and the names
 * excluded.
 */
function referenceAllows(path: readonly Model[]): boolean {
  const permitted = new Map(kinds.map((kind) => [kind, new Set(universe[kind])]))
  const excluded = new Map(kinds.map((kind) => [kind, new Set<string>()]))
  const isAllowed = ({ kind, text }: { kind: Kind; text: string }): boolean => {
    const stands = standsFor(kind, text)
    return (
      stands.every((name) => permitted.get(kind)?.has(name)) &&
      !stands.some((name) => excluded.get(kind)?.has(name))
    )
  }
  for (const certificate of [...path].reverse()) {
    const { names, subject } = certificate
    if (!certificate.selfIssued || certificate === path[0])
      if (![...names, { kind: 'directoryName' as const, text: subject }].every(isAllowed)) return false
    for (const kind of kinds) {
      const covers = (name: string) => (base: { kind: Kind; text: string }) =>
        base.kind === kind && holds(kind, base.text, name)
      // (g)(1): "set the permitted_subtrees state variable to the intersection of its previous value and the
      // value indicated".
      if (certificate.permitted.some((base) => base.kind === kind))
        for (const name of universe[kind])
          if (!certificate.permitted.some(covers(name))) permitted.get(kind)?.delete(name)
      // (g)(2): "set the excluded_subtrees state variable to the union".
      for (const name of universe[kind])
        if (certificate.excluded.some(covers(name))) excluded.get(kind)?.add(name)
    }
  }
  return true
}

/**
 * Every name of the universe that a presented name can be: one, or one for each label that a wildcard may be.
 */
function standsFor(kind: Kind, text: string): readonly string[] {
  if (kind !== 'dns' || !text.startsWith('*.')) return [canonical(kind, text)]
  return labels.map((label) => `${label}.${text.slice(2).toLowerCase()}`)
}

/** §4.2.1.10, one paragraph per type. */
function holds(kind: Kind, base: string, name: string): boolean {
  switch (kind) {
    case 'dns': {
      const [wanted, given] = [base.toLowerCase().split('.'), name.split('.')]
      return (
        wanted.length <= given.length &&
        wanted.every((label, at) => label === given[given.length - wanted.length + at])
      )
    }
    case 'uri':
      return hostHolds(base, name)
    case 'email': {
      const [local, host] = name.split('@') as [string, string]
      if (!base.includes('@')) return hostHolds(base, host)
      const [wantedLocal, wantedHost] = base.split('@') as [string, string]
      return local === wantedLocal && host === wantedHost.toLowerCase()
    }
    case 'ip': {
      const [address, length] = base.split('/') as [string, string]
      return (
        bits(name).length === bits(address).length &&
        bits(name).slice(0, Number(length)) === bits(address).slice(0, Number(length))
      )
    }
    case 'directoryName':
      return name === canonical(kind, base) || name.startsWith(`${canonical(kind, base)}/`)
  }
}

function hostHolds(base: string, host: string): boolean {
  const wanted = base.toLowerCase()
  if (!wanted.startsWith('.')) return host === wanted
  const [below, given] = [wanted.slice(1).split('.'), host.split('.')]
  return given.length > below.length && given.slice(-below.length).join('.') === below.join('.')
}

function bits(address: string): string {
  return Array.from(ipAddressOctets(address), (octet) => octet.toString(2).padStart(8, '0')).join('')
}

function canonical(kind: Kind, text: string): string {
  if (kind === 'email') return text.slice(0, text.indexOf('@')) + text.slice(text.indexOf('@')).toLowerCase()
  return kind === 'ip' ? text : text.toLowerCase()
}

/** The path as certificates; nothing here looks at signatures. */
async function build(path: readonly Model[]): Promise<Certificate[]> {
  return Promise.all(
    path.map(async (model) => {
      const subject = nameOf(model.subject)
      return buildCertificate(
        {
          issuer: model.selfIssued ? subject : DistinguishedName.parse('CN=issuer'),
          subject,
          publicKey: signer.publicKey,
          notBefore: new Date(0),
          notAfter: new Date(1000),
          extensions: {
            ...(model.names.length === 0
              ? {}
              : { subjectAltName: model.names.map((name) => generalNameOf(name, false)) }),
            ...(model.permitted.length + model.excluded.length === 0
              ? {}
              : {
                  nameConstraints: {
                    permitted: model.permitted.map((name) => generalNameOf(name, true)),
                    excluded: model.excluded.map((name) => generalNameOf(name, true)),
                  },
                }),
          },
        },
        signer,
      )
    }),
  )
}

function generalNameOf({ kind, text }: Text, isBase: boolean): GeneralName {
  switch (kind) {
    case 'dns':
      return generalName.dns(text)
    case 'uri':
      return generalName.uri(isBase ? text : `https://user@${text}:8443/path?q=x.test`)
    case 'email':
      return generalName.email(text)
    case 'ip': {
      if (!isBase) return generalName.ip(text)
      const [address, length] = text.split('/') as [string, string]
      const octets = ipAddressOctets(address)
      const mask = octets.map((_, at) => (0xff00 >> Math.max(0, Math.min(8, Number(length) - 8 * at))) & 0xff)
      return { type: 'ip', address: Uint8Array.of(...octets, ...mask), value: text }
    }
    case 'directoryName':
      return { type: 'directoryName', name: nameOf(text) }
  }
}

/** `x/y`: one RDN per part. */
function nameOf(text: string): DistinguishedName {
  return DistinguishedName.of(text.split('/').map((part, at) => [at === 0 ? 'O' : 'OU', part] as const))
}

const { publicKey } = generateKeyPairSync('ed25519')
const signer: Signer = {
  id: 'none',
  publicKey: PublicKey.from(publicKey),
  signatureAlgorithm: 'Ed25519',
  sign: () => new Uint8Array(64),
}

const kinds: readonly Kind[] = ['dns', 'uri', 'email', 'ip', 'directoryName']
/**
 * `z` is in no constraint, so that a set of subtrees can never hold all that a wildcard stands for without
 * holding its parent.
 */
const labels = ['a', 'b', 'z']

const upTo = (depth: number, of: readonly string[]): string[] =>
  depth === 1
    ? [...of]
    : [...of, ...upTo(depth - 1, of).flatMap((rest) => of.map((label) => `${label}.${rest}`))]
const hosts = [...new Set(upTo(4, labels))]
const baseHosts = [...new Set(upTo(3, ['a', 'b']))]
const addresses = [
  ...Array.from({ length: 16 }, (_, i) => `10.0.0.${String(i)}`),
  ...Array.from({ length: 4 }, (_, i) => `2001:db8::${String(i)}`),
]
const directory = ['x', 'y', 'x/x', 'x/y', 'y/x', 'x/x/x', 'x/y/x']

const universe: Readonly<Record<Kind, readonly string[]>> = {
  dns: hosts,
  uri: hosts,
  email: ['u', 'V'].flatMap((local) => hosts.map((host) => `${local}@${host}`)),
  ip: addresses,
  directoryName: directory,
}

const anyCase = (text: string, upper: boolean): string => (upper ? text.toUpperCase() : text)
const host = fc
  .tuple(fc.constantFrom(...upTo(3, labels)), fc.boolean())
  .map(([text, upper]) => anyCase(text, upper))
const baseHost = fc
  .tuple(fc.constantFrom(...baseHosts), fc.boolean())
  .map(([text, upper]) => anyCase(text, upper))
const domain = fc.tuple(fc.constantFrom('', '.'), baseHost).map(([dot, text]) => dot + text)
const local = fc.constantFrom('u', 'V')
const text = (kind: Kind, texts: fc.Arbitrary<string>): fc.Arbitrary<Text> =>
  texts.map((value) => ({ kind, text: value }))
const directoryText = fc
  .tuple(fc.constantFrom(...directory), fc.boolean())
  .map(([value, upper]) => anyCase(value, upper))

const name = fc.oneof(
  text('dns', host),
  text('dns', fc.constantFrom('*.a', '*.b.a', '*.A.b', '*.z')),
  text('uri', host),
  text(
    'email',
    fc.tuple(local, host).map(([user, at]) => `${user}@${at}`),
  ),
  text('ip', fc.constantFrom(...addresses)),
  text('directoryName', directoryText),
)
const base = fc.oneof(
  text('dns', baseHost),
  text('uri', domain),
  text('email', domain),
  text(
    'email',
    fc.tuple(local, baseHost).map(([user, at]) => `${user}@${at}`),
  ),
  text(
    'ip',
    fc
      .tuple(fc.constantFrom(...addresses), fc.constantFrom(0, 8, 28, 29, 30, 31, 32))
      .map(
        ([address, length]) =>
          `${address}/${String(address.includes(':') && length > 0 ? length + 96 : length)}`,
      ),
  ),
  text('directoryName', directoryText),
)
const model = (most: { names: number; bases: number }): fc.Arbitrary<Model> =>
  fc.record({
    subject: directoryText,
    selfIssued: fc.boolean(),
    names: fc.array(name, { maxLength: most.names }),
    permitted: fc.array(base, { maxLength: most.bases }),
    excluded: fc.array(base, { maxLength: most.bases }),
  })
const paths = fc
  .tuple(
    model({ names: 2, bases: 0 }),
    fc.array(model({ names: 1, bases: 3 }), { minLength: 1, maxLength: 3 }),
  )
  .map(([leaf, above]) => [leaf, ...above])
