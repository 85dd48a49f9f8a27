// Generated revocation lists, judged by us and by `openssl verify -extended_crl -use_deltas`, with a clause
// for each difference: scopes, reasons, indirect lists, deltas, stale lists, wrong keys.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCrlChecker, verifyPath } from '../../src/validation/index.ts'
import type { RevocationQuery } from '../../src/validation/index.ts'
import { DistinguishedName, buildCrl, extensionOids, generalName } from '../../src/x509/index.ts'
import { encodeDistributionPoints } from '../../src/x509/internal.ts'
import type { Certificate, GeneralName, Crl } from '../../src/x509/index.ts'
import type { CrlReason } from '../../src/x509/extensions/revocation-extensions.ts'
import type { DistributionPoint, IssuingDistributionPoint } from '../../src/x509/internal.ts'
import { requires } from '../support/requires.ts'
import { makeAuthority, makeLeaf, newSigner, time } from '../unit/validation/test-pki.ts'
import type { Authority } from '../unit/validation/test-pki.ts'

const runs = Number(process.env['SPIFFE_PKI_OPINIONS'] ?? 150)
const tool = 'openssl'
const present = requires(tool)
const folder = present ? mkdtempSync(join(tmpdir(), 'lists-')) : ''
const at = (hours: number): Date => new Date(time.getTime() + hours * 3_600_000)

type Signer = 'ca' | 'lists'

interface PointPlan {
  readonly name: 'a' | 'b'
  readonly reasons: number | undefined
  readonly crlIssuer: boolean
}

interface EntryPlan {
  readonly issuer: 'none' | 'ca' | 'other'
  readonly serial: 'leaf' | 'other'
  readonly reason: CrlReason
}

interface ListPlan {
  readonly by: Signer
  readonly forged: boolean
  readonly stale: boolean
  readonly hour: number
  readonly scope:
    | {
        readonly name: 'a' | 'b' | undefined
        readonly reasons: number | undefined
        readonly only: 'user' | 'ca' | undefined
        readonly indirect: boolean
      }
    | undefined
  readonly entries: readonly EntryPlan[]
  readonly delta:
    { readonly stale: boolean; readonly ahead: boolean; readonly entries: readonly EntryPlan[] } | undefined
}

interface Plan {
  readonly points: readonly PointPlan[]
  readonly lists: readonly ListPlan[]
}

const halves = fc.constantFrom(undefined, undefined, 0x0e, 0x1f0)
const rarely = (weight: number): fc.Arbitrary<boolean> =>
  fc.oneof({ weight, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) })
const entries: fc.Arbitrary<readonly EntryPlan[]> = fc.array(
  fc.record({
    issuer: fc.constantFrom('none', 'none', 'ca', 'other'),
    serial: fc.constantFrom('leaf', 'other', 'other'),
    reason: fc.constantFrom('keyCompromise', 'certificateHold'),
  }),
  { maxLength: 2 },
)
const deltaEntries: fc.Arbitrary<readonly EntryPlan[]> = fc.array(
  fc.record({
    issuer: fc.constant('none' as const),
    serial: fc.constantFrom('leaf', 'other'),
    reason: fc.constantFrom('keyCompromise', 'removeFromCRL'),
  }),
  { maxLength: 1 },
)
const list: fc.Arbitrary<ListPlan> = fc.record({
  by: fc.constantFrom('ca', 'ca', 'lists'),
  forged: rarely(8),
  stale: rarely(6),
  hour: fc.integer({ min: -4, max: -1 }),
  scope: fc.option(
    fc.record({
      name: fc.constantFrom(undefined, 'a', 'b'),
      reasons: halves,
      only: fc.constantFrom(undefined, undefined, 'user', 'ca'),
      indirect: fc.boolean(),
    }),
    { nil: undefined, freq: 3 },
  ),
  entries,
  delta: fc.option(fc.record({ stale: rarely(4), ahead: rarely(4), entries: deltaEntries }), {
    nil: undefined,
    freq: 1,
  }),
})
const plans: fc.Arbitrary<Plan> = fc.record({
  points: fc.array(fc.record({ name: fc.constantFrom('a', 'b'), reasons: halves, crlIssuer: rarely(2) }), {
    maxLength: 2,
  }),
  lists: fc.array(list, { minLength: 1, maxLength: 3 }),
})

let root: Authority
let ca: Authority
let crlIssuer: Authority

const directory = (name: DistinguishedName): GeneralName => ({ type: 'directoryName', name })
const place = (name: 'a' | 'b'): { readonly fullName: readonly GeneralName[] } => ({
  fullName: [generalName.uri(`http://crl.example/${name}`)],
})

async function make({ points, lists }: Plan): Promise<{ leaf: Certificate; made: Crl[] }> {
  const crlDistributionPoints = points.map(({ name, reasons, crlIssuer: named }): DistributionPoint => ({
    name: place(name),
    reasons,
    crlIssuer: named ? [directory(crlIssuer.name)] : undefined,
  }))
  // OpenSSL looks for deltas where a certificate says that there are any.
  const freshest = {
    oid: extensionOids.freshestCrl,
    critical: false,
    value: encodeDistributionPoints([{ name: place('a'), reasons: undefined, crlIssuer: undefined }]),
  }
  const leaf = await makeLeaf(ca, {
    extensions: {
      crlDistributionPoints: crlDistributionPoints.length === 0 ? undefined : crlDistributionPoints,
      other: [freshest],
    },
  })
  const made: Crl[] = []
  for (const [at10, plan] of lists.entries()) {
    const by = plan.by === 'ca' ? ca : crlIssuer
    const number = 10 * (at10 + 1)
    const point = plan.scope === undefined ? undefined : scopeOf(plan.scope)
    const scope = point === undefined ? {} : { issuingDistributionPoint: point }
    const fields = {
      issuer: by.name,
      authorityKeyIdentifier: by.signer.publicKey.keyIdentifier,
      ...scope,
    }
    const signer = plan.forged ? newSigner() : by.signer
    // Dates in the order of the numbers.
    const thisUpdate = new Date(at(plan.stale ? -30 : -10).getTime() + number * 60_000 + plan.hour * 1000)
    made.push(
      await buildCrl(
        {
          ...fields,
          thisUpdate,
          nextUpdate: at(plan.stale ? -5 : 5),
          crlNumber: number,
          entries: entriesOf(plan.entries, leaf),
        },
        signer,
      ),
    )
    if (plan.delta === undefined) continue
    const { stale, ahead } = plan.delta
    made.push(
      await buildCrl(
        {
          ...fields,
          thisUpdate: new Date(thisUpdate.getTime() + 1000),
          nextUpdate: at(stale ? -4 : 4),
          crlNumber: number + 2,
          deltaCrlIndicator: ahead ? number + 1 : number,
          entries: entriesOf(plan.delta.entries, leaf),
        },
        by.signer,
      ),
    )
  }
  return { leaf, made }
}

function scopeOf({
  name,
  reasons,
  only,
  indirect,
}: NonNullable<ListPlan['scope']>): Partial<IssuingDistributionPoint> | undefined {
  if (name === undefined && reasons === undefined && only === undefined && !indirect) return undefined
  return {
    name: name === undefined ? undefined : place(name),
    onlySomeReasons: reasons,
    onlyContainsUserCerts: only === 'user',
    onlyContainsCaCerts: only === 'ca',
    indirectCrl: indirect,
  }
}

function entriesOf(
  plan: readonly EntryPlan[],
  leaf: Certificate,
): {
  serialNumber: Uint8Array
  revocationDate: Date
  reason: CrlReason
  certificateIssuer: readonly GeneralName[] | undefined
}[] {
  return plan.map(({ issuer, serial, reason }) => ({
    serialNumber: serial === 'leaf' ? leaf.serialNumberBytes : Uint8Array.of(1, 2, 3),
    revocationDate: at(-20),
    reason,
    certificateIssuer:
      issuer === 'none'
        ? undefined
        : [directory(issuer === 'ca' ? ca.name : DistinguishedName.parse('CN=other'))],
  }))
}

function ourAnswer(
  leaf: Certificate,
  lists: readonly Crl[],
): { readonly code: string; readonly message: string } {
  const checker = createCrlChecker({ lists, issuers: [crlIssuer.certificate], mode: 'hard-fail' })
  // OpenSSL asks nothing of the issuer of lists itself.
  const revocation = {
    check: (query: RevocationQuery) => (query.certificate === leaf ? checker.check(query) : undefined),
  }
  const verdict = verifyPath(leaf, {
    anchors: [root.certificate],
    intermediates: [ca.certificate],
    time,
    profile: 'spiffe',
    revocation,
  })
  return verdict.ok
    ? { code: 'good', message: '' }
    : { code: verdict.rejected[0]?.code ?? '', message: verdict.rejected[0]?.message ?? '' }
}

/** What OpenSSL does not do, and the RFC has done. */
const explained: readonly { readonly error: RegExp; readonly where: (plan: Plan) => boolean }[] = [
  // RFC 5280 §6.3.3, last paragraph: lists of the issuer that no distribution point names cover what the
  // points leave open.
  {
    error: /error (?:3|44) /,
    where: ({ points }) => points.some(({ reasons, crlIssuer: named }) => reasons !== undefined || named),
  },
  // A list that is not signed by whom it names says nothing; others are asked.
  { error: /error 8 /, where: ({ lists }) => lists.some(({ forged }) => forged) },
  // RFC 5280 §5.2.4: a current delta makes a list current that is past its time; and a stale list beside a
  // current one says nothing.
  { error: /error 12 /, where: ({ lists }) => lists.some(({ stale }) => stale) },
]

/**
 * RFC 5280 §5.3.3: only the entries of an indirect list may belong to another issuer. A list that contradicts
 * itself shows no certificate as good, and an entry after such a one belongs to the issuer of the list.
 * OpenSSL takes the list as an indirect one.
 */
function contradictsItself({ scope, entries: listed }: ListPlan): boolean {
  return scope?.indirect !== true && listed.some(({ issuer }) => issuer === 'other')
}

let count = 0
function theirAnswer(
  leaf: Certificate,
  lists: readonly Crl[],
): { readonly good: boolean; readonly text: string } {
  const file = (name: string, text: string): string => {
    const path = join(folder, `${name}-${count}.pem`)
    writeFileSync(path, text)
    return path
  }
  count++
  const { status, stderr } = spawnSync(tool, [
    'verify',
    '-no-CApath',
    '-no-CAstore',
    '-CAfile',
    file('root', root.certificate.toPem()),
    '-untrusted',
    file('chain', ca.certificate.toPem() + crlIssuer.certificate.toPem()),
    '-attime',
    String(time.getTime() / 1000),
    '-crl_check',
    '-extended_crl',
    '-use_deltas',
    '-CRLfile',
    file('lists', lists.map((each) => each.toPem()).join('')),
    file('leaf', leaf.toPem()),
  ])
  return {
    good: status === 0,
    text:
      stderr
        .toString()
        .split('\n')
        .find((line) => line.startsWith('error')) ?? '',
  }
}

describe.skipIf(!present)('openssl verify with lists', () => {
  const tally = { both: 0, neither: 0, theirs: 0, ours: 0 }

  beforeAll(async () => {
    root = await makeAuthority('root')
    ca = await makeAuthority('ca', root)
    const signer = newSigner()
    const name = DistinguishedName.parse('CN=lists')
    const certificate = await makeLeaf(ca, {
      signer,
      subject: name,
      extensions: {
        keyUsage: ['cRLSign'],
        extendedKeyUsage: undefined,
        subjectAltName: undefined,
        subjectKeyIdentifier: signer.publicKey,
      },
    })
    crlIssuer = { certificate, signer, name }
  })
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true })
  })

  it(`agrees over ${runs} sets of lists`, async () => {
    await fc.assert(
      fc.asyncProperty(plans, async (plan) => {
        const { leaf, made } = await make(plan)
        const ours = ourAnswer(leaf, made)
        const theirs = theirAnswer(leaf, made)
        tally[ours.code === 'good' ? (theirs.good ? 'both' : 'ours') : theirs.good ? 'theirs' : 'neither']++
        const about = `${ours.code} ${ours.message} | ${theirs.text} | ${JSON.stringify(plan)}`
        if (ours.code === 'good')
          expect(
            theirs.good || explained.some(({ error, where }) => error.test(theirs.text) && where(plan)),
            about,
          ).toBe(true)
        // Of several lists OpenSSL asks the one that fits best; here one that accuses is believed, unless a
        // later one of its scope says otherwise.
        else if (theirs.good)
          expect(
            (ours.code === 'ERR_REVOKED' && made.length > 1) || plan.lists.some(contradictsItself),
            about,
          ).toBe(true)
      }),
      { numRuns: runs },
    )
    // Each kind came up, so that agreement means something.
    expect(tally.both).toBeGreaterThan(runs / 20)
    expect(tally.neither).toBeGreaterThan(runs / 20)
  })
})
