// The corpora by two parsers, this package and @peculiar/x509: every certificate, request and list, field by
// field, and the clause that justifies each difference.

import 'reflect-metadata'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { Pkcs10CertificateRequest, X509Certificate, X509Crl } from '@peculiar/x509'
import type { SubjectAlternativeNameExtension } from '@peculiar/x509'
import { describe, expect, it } from 'vitest'
import { PkiError, isPkiError } from '../../src/errors/index.ts'
import { decodePem } from '../../src/internal/pem.ts'
import { Certificate, CertificateRequest, Crl, extensionOids } from '../../src/x509/index.ts'
import { encodeGeneralName } from '../../src/x509/internal.ts'
import type { PublicKey } from '../../src/x509/index.ts'
import { bytes, dataFolder, readDocuments } from './corpus.ts'

type Kind = 'certificate' | 'csr' | 'crl'
type Ours = Certificate | CertificateRequest | Crl
type Theirs = X509Certificate | Pkcs10CertificateRequest | X509Crl

/** By our code: why something that @peculiar/x509 takes, whole or as one field, is refused. */
const refusals: Readonly<Record<string, string>> = {
  ERR_DER:
    'X.690 8, 10 and 11: it is BER that is no DER, has octets too many or too few, or another type ' +
    'than RFC 5280 4.1, 4.2, 5.1 and RFC 2986 4 define',
  ERR_DER_DEPTH: 'X.509 needs a depth of about 12; the limit is ours',
  ERR_OID_INVALID:
    'X.690 8.19: an object identifier that is empty, padded or cut off; one above 64 octets is over ' +
    'our limit',
  ERR_TIME_INVALID: 'RFC 5280 4.1.2.5: seconds, Z, no fraction, and a day that exists',
  ERR_STRING_INVALID: 'X.680 41: octets that the string type does not have',
  ERR_SERIAL_INVALID: 'RFC 5280 4.1.2.2: serial numbers longer than 20 octets must not be used',
  ERR_ALGORITHM_MISMATCH: 'RFC 5280 4.1.1.2 and 5.1.1.2: both algorithm identifiers must be the same',
  ERR_CERTIFICATE_MALFORMED:
    'RFC 5280 4.1.2.1, 4.1.2.8 and 4.1.2.9: versions 1 to 3, and what belongs to each',
  ERR_CRL_MALFORMED:
    'RFC 5280 5.1.2.1 and 5.1.2.6: versions 1 and 2, and what belongs to each; entries with a ' +
    'serial number of 1 to 20 octets',
  ERR_CSR_MALFORMED: 'RFC 2986 4.1: version 0, attributes of at least one value',
  ERR_CSR_TOO_LARGE: 'the limit of 64 KiB is ours',
  ERR_EXTENSION_DUPLICATE: 'RFC 5280 4.2: a certificate must not have an extension twice',
  ERR_EXTENSION_MALFORMED: 'RFC 5280 4.2, 5.2 and 5.3: a value that its section does not define',
  ERR_NAME_INVALID:
    'RFC 5280 4.1.2.4, 4.2.1.6 and X.501: SIZE (1..MAX), addresses of 4 or 16 octets, no control ' +
    'characters, URIs by RFC 3986',
  ERR_KEY_MALFORMED: 'RFC 5480 2.1, RFC 8017 A.1.1: a key that its algorithm does not define',
  ERR_LIMIT_EXCEEDED: 'the limits on size and count are ours',
}

interface Difference {
  readonly field: string
  readonly clause: string
  readonly applies: (ours: Ours, found: unknown, theirs: unknown) => boolean
}

/** Fields that both read, and read differently. */
const differences: readonly Difference[] = [
  {
    field: 'serialNumber',
    clause: "X.690 8.3.3: two's complement, so the number is negative; @peculiar/x509 shows the octets",
    applies: (ours, found, theirs) =>
      ours instanceof Certificate &&
      String(found).startsWith('-') &&
      theirs === hex(ours.serialNumberBytes).toUpperCase(),
  },
  {
    field: 'subject',
    clause:
      'X.690 8.19.2: an arc of an object identifier has any size; @peculiar/x509 writes one above ' +
      '2^53 as another',
    applies: (ours) =>
      !(ours instanceof Crl) && ours.subject.rdns.flat().some(({ type }) => /\d{16}/.test(type)),
  },
  {
    field: 'publicKey',
    clause:
      'RFC 5480 2.1.1: an EC key names its curve; without one it is not supported, which is told ' +
      'when it is used and not when it is read',
    applies: (ours, _found, theirs) =>
      !(ours instanceof Crl) && ours.publicKey.algorithm === undefined && theirs instanceof Error,
  },
  {
    field: 'validity',
    clause:
      'X.680 46: the years 0 to 99 of a GeneralizedTime are those years; Date.UTC makes them 1900 to 1999',
    applies: (ours) =>
      ours instanceof Certificate &&
      (ours.notBefore.getUTCFullYear() < 100 || ours.notAfter.getUTCFullYear() < 100),
  },
  {
    field: 'entries',
    clause: 'X.690 8.3.3: as for the serial number of a certificate',
    applies: (ours) =>
      ours instanceof Crl && [...ours.entries()].some(({ serialNumber }) => serialNumber.startsWith('-')),
  },
  {
    field: 'extensions',
    clause:
      'RFC 5280 5.1.2.5: nextUpdate is OPTIONAL in the syntax; @peculiar/x509 loses what follows ' +
      'where it is absent',
    applies: (ours, _found, theirs) =>
      ours instanceof Crl && ours.nextUpdate === undefined && theirs === '[]',
  },
]

interface Field {
  readonly name: string
  readonly ours: (one: Ours) => unknown
  readonly theirs: (one: Theirs) => unknown
}

const hex = (octets: Uint8Array | ArrayBuffer): string => Buffer.from(octets as Uint8Array).toString('hex')
/** The kinds of names that @peculiar/x509 keeps when it reads a list; others it leaves out without a word. */
const sharedNames: readonly string[] = ['dns', 'email', 'uri', 'ip', 'registeredId', 'directoryName']
const theirSharedNames: readonly string[] = ['dns', 'email', 'url', 'ip', 'id', 'dn']

/** The DER of a name, once what it holds was read. */
function nameOf({ der, rdns }: Certificate['subject']): string {
  void rdns
  return hex(der)
}

/** The DER of a key, once its frame and its kind were read. */
function keyOf(key: PublicKey): string {
  if (key.info.problem?.code === 'ERR_KEY_MALFORMED') key.keyObject()
  return hex(key.spki)
}

function theirNames(one: Theirs): unknown {
  const extension = one.extensions.find(({ type }) => type === extensionOids.subjectAltName) as
    SubjectAlternativeNameExtension | undefined
  return extension?.names.items
    .filter(({ type }) => theirSharedNames.includes(type))
    .map((name) => hex(name.rawData))
}

const extensionsField: Field = {
  name: 'extensions',
  ours: (one) => one.extensions.map(({ oid, critical, value }) => [oid, critical, hex(value)]),
  theirs: (one) => one.extensions.map(({ type, critical, value }) => [type, critical, hex(value)]),
}
const signatureField: Field = {
  name: 'signature',
  ours: (one) => hex(one.signature),
  theirs: (one) => hex(one.signature),
}
const subjectFields: readonly Field[] = [
  {
    name: 'subject',
    ours: (one) => nameOf((one as Certificate).subject),
    theirs: (one) => hex((one as X509Certificate).subjectName.toArrayBuffer()),
  },
  {
    name: 'publicKey',
    ours: (one) => keyOf((one as Certificate).publicKey),
    theirs: (one) => hex((one as X509Certificate).publicKey.rawData),
  },
  {
    name: 'subjectAltName',
    ours: (one) =>
      (one as Certificate).subjectAltName
        ?.filter(({ type }) => sharedNames.includes(type))
        .map((name) => hex(encodeGeneralName(name))),
    theirs: theirNames,
  },
]
const issuerField: Field = {
  name: 'issuer',
  ours: (one) => nameOf((one as Certificate).issuer),
  theirs: (one) => hex((one as X509Certificate).issuerName.toArrayBuffer()),
}

const fields: Readonly<Record<Kind, readonly Field[]>> = {
  certificate: [
    {
      name: 'serialNumber',
      ours: (one) => (one as Certificate).serialNumber,
      theirs: (one) => (one as X509Certificate).serialNumber.toUpperCase(),
    },
    {
      name: 'validity',
      ours: (one) => [(one as Certificate).notBeforeMs, (one as Certificate).notAfterMs],
      theirs: (one) => [
        (one as X509Certificate).notBefore.getTime(),
        (one as X509Certificate).notAfter.getTime(),
      ],
    },
    issuerField,
    ...subjectFields,
    extensionsField,
    signatureField,
  ],
  csr: [...subjectFields, extensionsField, signatureField],
  crl: [
    issuerField,
    {
      name: 'updates',
      ours: (one) => [(one as Crl).thisUpdate.getTime(), (one as Crl).nextUpdate?.getTime()],
      theirs: (one) => [(one as X509Crl).thisUpdate.getTime(), (one as X509Crl).nextUpdate?.getTime()],
    },
    {
      name: 'entries',
      ours: (one) => {
        const list = one as Crl
        // Read where it can be, so that it still accuses; for a comparison, a refusal with a code.
        const [fault] = list.entryFaults
        if (fault !== undefined) throw new PkiError(fault.code, fault.reason)
        return [...list.entries()].map(({ serialNumber, revocationDate }) => [
          serialNumber,
          revocationDate?.getTime(),
        ])
      },
      theirs: (one) =>
        (one as X509Crl).entries.map(({ serialNumber, revocationDate }) => [
          serialNumber.toUpperCase(),
          revocationDate.getTime(),
        ]),
    },
    extensionsField,
    signatureField,
  ],
}

type Outcome = { readonly value: string } | { readonly error: unknown }

function attempt(read: () => unknown): Outcome {
  try {
    return { value: JSON.stringify(read()) ?? 'undefined' }
  } catch (error) {
    return { error }
  }
}

const explainedRefusal = (error: unknown): boolean => isPkiError(error) && refusals[error.code] !== undefined

/** What cannot be explained; nothing else counts. */
function compare(kind: Kind, der: Uint8Array): string[] {
  const where = `${kind} ${createHash('sha256').update(der).digest('hex').slice(0, 16)}`
  let ours: Ours | undefined
  let theirs: Theirs | undefined
  const read = attempt(
    () => void (ours = { certificate: Certificate, csr: CertificateRequest, crl: Crl }[kind].parse(der)),
  )
  const theirRead = attempt(() => {
    theirs = new { certificate: X509Certificate, csr: Pkcs10CertificateRequest, crl: X509Crl }[kind](
      Uint8Array.from(der),
    )
    void theirs.extensions
  })
  if (ours === undefined)
    return 'error' in read &&
      (explainedRefusal(read.error) || (theirs === undefined && isPkiError(read.error)))
      ? []
      : [`${where}: ${JSON.stringify(read)}`]
  const one = ours
  if (theirs === undefined || 'error' in theirRead) {
    // They decode everything at once: then so do we.
    const all = attempt(() => {
      one.checkAll()
    })
    return 'error' in all && isPkiError(all.error)
      ? []
      : [`${where}: only @peculiar/x509 refuses it: ${String((theirRead as { error: unknown }).error)}`]
  }
  const other = theirs
  return fields[kind].flatMap((field) => {
    const found = attempt(() => field.ours(one))
    const wanted = attempt(() => field.theirs(other))
    if ('error' in found)
      return explainedRefusal(found.error) ? [] : [`${where} ${field.name}: ${String(found.error)}`]
    if ('value' in wanted && found.value === wanted.value) return []
    const plain = (outcome: Outcome): unknown =>
      'value' in outcome ? unquoted(outcome.value) : outcome.error
    const explained = differences.some(
      (row) => row.field === field.name && row.applies(one, plain(found), plain(wanted)),
    )
    return explained
      ? []
      : [
          `${where} ${field.name}: ` +
            `${found.value} and ${'value' in wanted ? wanted.value : String(wanted.error)}`,
        ]
  })
}

const unquoted = (json: string): string => (json.startsWith('"') ? json.slice(1, -1) : json)

interface Item {
  readonly kind: Kind
  readonly der: Uint8Array
}

const labels: Readonly<Record<string, Kind | undefined>> = { CERTIFICATE: 'certificate', 'X509 CRL': 'crl' }

/** PEM anywhere in a document; of a large corpus every `stride`th block. */
function pemItems(folder: string, stride: number): Item[] {
  const items: Item[] = []
  let count = 0
  const walk = (value: unknown): void => {
    if (typeof value === 'string' && value.startsWith('-----BEGIN ')) {
      if (count++ % stride !== 0) return
      for (const { label, der } of decodePem(value))
        if (labels[label] !== undefined) items.push({ kind: labels[label], der })
    } else if (typeof value === 'object' && value !== null) Object.values(value).forEach(walk)
  }
  for (const { document } of readDocuments(data, folder)) walk(document['testcases'])
  return items
}

function parserItems(): Item[] {
  const rows = readDocuments(data, 'parser').flatMap(
    ({ document }) => document['cases'] as { kind: string; der: string }[],
  )
  return rows.flatMap(({ kind, der }) =>
    kind === 'certificate' || kind === 'csr' || kind === 'crl' ? [{ kind, der: bytes(der) }] : [],
  )
}

function pkitsItems(): Item[] {
  return readDocuments(data, 'pkits').flatMap(({ document }) =>
    (['certificate', 'crl'] as const).flatMap((kind) =>
      Object.values((document[`${kind}s`] ?? {}) as Record<string, string>).map((der) => ({
        kind,
        der: bytes(der),
      })),
    ),
  )
}

function svidItems(): Item[] {
  interface Row {
    readonly chain?: string[]
    readonly trust_bundles?: Record<string, string[]>
    readonly crls?: string[]
  }
  return readDocuments(data, 'spiffe')
    .flatMap(({ document }) => document['cases'] as Row[])
    .flatMap(({ chain = [], trust_bundles = {}, crls = [] }) => [
      ...[...chain, ...Object.values(trust_bundles).flat()].map((der) => ({
        kind: 'certificate' as const,
        der: bytes(der),
      })),
      ...crls.map((der) => ({ kind: 'crl' as const, der: bytes(der) })),
    ])
}

function distinct(items: readonly Item[]): Item[] {
  return [...new Map(items.map((item) => [hex(item.der), item])).values()]
}

const data = dataFolder()
const present = existsSync(data)
if (!present) console.warn(`skipped: the corpora by @peculiar/x509, ${data} is absent`)

describe.skipIf(!present)('the corpora by two parsers', () => {
  it.for<readonly [string, () => Item[]]>([
    ['parser', parserItems],
    ['limbo', () => pemItems('limbo', 1)],
    ['bettertls', () => pemItems('bettertls', 40)],
    ['pkits', pkitsItems],
    ['svids', svidItems],
  ])('%s', ([name, collect], { skip }) => {
    const items = distinct(collect())
    if (items.length === 0) skip(`${name} is absent`)
    expect(items.flatMap(({ kind, der }) => compare(kind, der))).toEqual([])
  })
})
