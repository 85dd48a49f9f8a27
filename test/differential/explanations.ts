// Every known kind of disagreement, and the clause that says who is right.

import type { Disagreement } from './differential.ts'

/** One kind of disagreement. */
export interface Explanation {
  readonly who: 'openssl' | 'go'
  readonly direction: 'looser' | 'stricter'
  readonly questions: readonly Disagreement['question'][]
  /** Matches the reason of the one that refuses. */
  readonly reason: RegExp
  readonly clause: string
}

/** Whether an opinion says that it does not process what it found: then it is no opinion on this case. */
export function abstains(reason: string): boolean {
  return /unhandled critical extension/.test(reason) || informational.test(reason)
}

/** RFC 5280 §6 reads none of these: they say where to fetch something. Go decodes them all when it parses. */
const informational =
  /invalid (authority info access|CRL distribution points?|issuer alternative name|subject info access)/

/** The explanation of a disagreement; undefined, which fails the test, if there is none. */
export function explain({ who, direction, question, reason }: Disagreement): Explanation | undefined {
  return explanations.find(
    (known) =>
      known.who === who &&
      known.direction === direction &&
      known.questions.includes(question) &&
      known.reason.test(reason),
  )
}

const certificates = ['leaf', 'server', 'issuer'] as const
const all = [...certificates, 'request', 'list'] as const

/** Where we refuse and others do not: by the code of our reason, for both. */
const stricter: readonly (readonly [reason: RegExp, clause: string])[] = [
  [
    /^ERR_DER /,
    'X.690 §8 to §11; RFC 5280 §4.1, §5.1, RFC 2986 §4: DER, with nothing before, after or between, ' +
      'and the types of the ASN.1 module. Others read BER in places, ignore what follows, or leave ' +
      'known extensions and attributes undecoded',
  ],
  [/^ERR_DER_DEPTH /, 'a limit: nothing in RFC 5280 is nested that deep'],
  [/^ERR_OID_INVALID /, 'X.690 §8.19: arcs are complete and minimal; longer than the limit is a limit'],
  [
    /^ERR_STRING_INVALID /,
    'X.680 §41: the octets are impossible for the string type; RFC 5280 §4.2.1.6: IA5String',
  ],
  [/^ERR_TIME_INVALID /, 'RFC 5280 §4.1.2.5, §5.1.2.4: UTCTime to 2049, GeneralizedTime after, seconds, Z'],
  [
    /^ERR_EXTENSION_MALFORMED /,
    'RFC 5280 §4.2.1, §5.2: the value of a known extension is what the ASN.1 says, SIZE (1..MAX) included',
  ],
  [/^ERR_EXTENSION_DUPLICATE /, 'RFC 5280 §4.2: no more than one instance of an extension'],
  [
    /^ERR_NAME_INVALID /,
    'RFC 5280 §4.1.2.4, §4.2.1.6: GeneralName has nine forms, an RDN is a SET SIZE (1..MAX), an ' +
      'address has 4 or 16 octets',
  ],
  [
    /^ERR_CERTIFICATE_MALFORMED /,
    'RFC 5280 §4.1.2.1, §4.1.2.8, §4.1.2.9: versions 1 to 3, and what each may have',
  ],
  [
    /^ERR_CSR_MALFORMED /,
    'RFC 2986 §4.1: version 0; attributes are a SET of one of a type, each with a value',
  ],
  [
    /^ERR_CRL_MALFORMED /,
    'RFC 5280 §5.1.2.1, §5.1.2.6: version 2 with extensions; no empty list of revoked certificates',
  ],
  [/^ERR_SERIAL_INVALID /, 'RFC 5280 §4.1.2.2: at most 20 octets'],
  [/^ERR_ALGORITHM_MISMATCH /, 'RFC 5280 §4.1.1.2, §5.1.1.2: the two algorithm identifiers are the same'],
  [/^ERR_ALGORITHM_UNSUPPORTED /, 'the parameters are not those of the algorithm (RFC 8410 §3: absent)'],
  [/^ERR_KEY_MALFORMED /, 'RFC 3279 §2.3, RFC 5480 §2, RFC 8410 §3: parameters and octets of the key'],
  [/^ERR_KEY_(UNSUPPORTED|EXPLICIT_PARAMETERS) /, 'a key that no algorithm here can use'],
  [/^ERR_LIMIT_EXCEEDED /, 'a stated limit'],
  [
    /^ERR_PATH_ALGORITHM /,
    'the profile names the keys that may stand in a path; a leaf whose key nobody here can use is of no use',
  ],
  [
    /^ERR_PATH_NAME_CONSTRAINTS /,
    'RFC 5280 §4.2.1.10: the email address in the subject is held to constraints (Go does not ' +
      'look); a wildcard may be the excluded host (OpenSSL compares the text); what cannot be ' +
      'judged is refused; directory names are compared by §7.1',
  ],
  [
    /^ERR_PATH_PEER_NAME /,
    'RFC 9525 §6.3, §6.4: never the common name (OpenSSL without a DNS name); a wildcard stands ' +
      'over two labels at least (Go: one)',
  ],
  [
    /^ERR_PATH_KEY_USAGE /,
    'RFC 5280 §4.2.1.12: key usage and purpose are consistent (Go does not compare them)',
  ],
  [
    /^ERR_PATH_EXTENDED_KEY_USAGE /,
    'RFC 5280 §4.2.1.12: anyExtendedKeyUsage MAY be refused, and is in this run (Go takes it)',
  ],
  [/^ERR_PATH_POLICY /, 'RFC 5280 §6.1.3 (f), §6.1.5 (g): an explicit policy is required and none is valid'],
  [/^ERR_PATH_CRITICAL_EXTENSION /, 'RFC 5280 §4.2: a critical extension that is not processed'],
  [/^ERR_PATH_LENGTH /, 'RFC 5280 §6.1.4 (l), (m)'],
  [/^ERR_PATH_NOT_CA /, 'RFC 5280 §6.1.4 (k), (n): cA asserted, keyCertSign where key usage is present'],
]

const explanations: readonly Explanation[] = [
  ...stricter.flatMap(([reason, clause]) =>
    (['openssl', 'go'] as const).map((who): Explanation => ({
      who,
      direction: 'stricter',
      questions: all,
      reason,
      clause,
    })),
  ),
  {
    who: 'go',
    direction: 'looser',
    questions: certificates,
    reason: informational,
    clause:
      'RFC 5280 §6 reads no extension that only says where to fetch something; section 4 is not asked here',
  },
  {
    who: 'go',
    direction: 'looser',
    questions: all,
    reason: /base 128 integer too large|invalid attribute type/,
    clause: 'X.690 §8.19.2: an arc of an object identifier may be of any size; those of Go have 31 bits',
  },
  {
    who: 'go',
    direction: 'looser',
    questions: certificates,
    reason: /invalid attribute value: unsupported string type/,
    clause:
      'RFC 5280 §4.1.2.4: the value of an attribute is ANY DEFINED BY its type, and that of a type ' +
      'nobody knows need be no string; a known type with it is refused',
  },
  {
    who: 'openssl',
    direction: 'looser',
    questions: certificates,
    reason: /^unsupported or invalid name syntax$/,
    clause:
      'RFC 5280 §4.2.1.10: constraints on DNS names are for alternative names; OpenSSL holds a ' +
      'common name to them too, and cannot read this one',
  },
  {
    who: 'go',
    direction: 'looser',
    questions: certificates,
    reason: /unhandled critical extension/,
    clause:
      'RFC 5280 §4.2.1.10, §4.2.1.11, §4.2.1.14: directory name constraints and policies are ' +
      'processed here; Go does not know them and refuses, as it has to',
  },
  {
    who: 'openssl',
    direction: 'looser',
    questions: certificates,
    reason: /^(permitted|excluded) subtree violation$/,
    clause:
      'RFC 5280 §4.2.1.10: the email address of the subject counts where no alternative name is ' +
      'one; OpenSSL always counts it',
  },
  ...(['openssl', 'go'] as const).map((who): Explanation => ({
    who,
    direction: 'stricter',
    questions: ['issuer'],
    reason: /^ERR_PATH_ISSUER_UNKNOWN /,
    clause:
      'RFC 5280 §4.1: the intermediate that was presented does not read, by one of the clauses of ' +
      'ERR_DER and those below it, so there is none',
  })),
  {
    who: 'go',
    direction: 'looser',
    questions: certificates,
    reason: /^refused: x509: certificate signed by unknown authority$/,
    clause:
      'RFC 5280 §7.1: issuer and subject are the same name whatever the case and string type; Go ' +
      'compares octets',
  },
  {
    who: 'openssl',
    direction: 'looser',
    questions: certificates,
    reason: /^unable to get local issuer certificate$/,
    clause:
      'RFC 5280 §4.2.1.1, §6.1: an authority key identifier helps to find an issuer and is no check ' +
      'of section 6; OpenSSL does not try one that has another',
  },
  {
    who: 'openssl',
    direction: 'looser',
    questions: ['server'],
    reason: /^unsuitable certificate purpose$/,
    clause:
      'RFC 5280 §4.2.1.12: the key usage of a CA that stands in the place of a leaf is not held ' +
      'against the purpose; Go does not compare them at all',
  },
  {
    who: 'go',
    direction: 'looser',
    questions: all,
    reason: /cannot parse URI/,
    clause:
      'RFC 5280 §4.2.1.6: an IA5String is kept as found; where a URI is judged, by a constraint or ' +
      'as a SPIFFE ID, what is no URI is refused. OpenSSL does the same',
  },
  {
    who: 'go',
    direction: 'looser',
    questions: ['list'],
    reason: /^refused: another issuer$/,
    clause: 'RFC 5280 §7.1: names are the same whatever the case and string type; the octets differ',
  },
]
