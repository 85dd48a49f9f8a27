// The trust bundle of one trust domain (SPIFFE_Trust_Domain_and_Bundle.md sections 3 and 4): the certificates
// and keys that verify its SVIDs.

import { DerReader, tags } from '../der/index.ts'
import { PkiError } from '../errors/index.ts'
import { bytesKey, requireOctets } from '../internal/bytes.ts'
import { checkCounts } from '../internal/numbers.ts'
import { readOptions } from '../internal/options.ts'
import { decodePemBlocks } from '../internal/pem.ts'
import { shownValue } from '../internal/values/name-of.ts'
import { TrustDomain } from '../spiffe/index.ts'
import type { Certificate, CertificateInput } from '../x509/index.ts'
import { readAuthorities, tooMany } from './bundle-authorities.ts'
import type { IgnoredKey } from './bundle-authorities.ts'
import type { JwtAuthority } from './jwt/jwt-authority.ts'

/** The contents of a trust bundle. @inline */
export interface TrustBundleContent {
  /**
   * Authorities of X.509-SVIDs; a duplicate counts once. An empty list: the trust domain has no X.509-SVIDs
   * (rule X-15).
   */
  readonly x509Authorities?: Iterable<CertificateInput> | undefined
  /** Authorities of JWT-SVIDs; each `kid` must be unique. */
  readonly jwtAuthorities?: Iterable<JwtAuthority> | undefined
  /** Increases with every change of content (rule B-2); 64 bits and more. */
  readonly sequenceNumber?: bigint | undefined
  /** How often a consumer should refresh the bundle, in seconds (rule B-3). */
  readonly refreshHintSeconds?: number | undefined
  /** The entries skipped when the content was read; available as `TrustBundle.ignored`. */
  readonly ignored?: readonly IgnoredKey[] | undefined
}

interface BundleOptions {
  /** The trust domain of the bundle. */
  readonly trustDomain: TrustDomain | string
}

/**
 * The authorities of one trust domain. Immutable: a rotation creates another bundle, see `TrustBundleSet`. A
 * bundle without authorities is valid and revokes everything (rule B-4). The bundles of two trust domains
 * cannot be merged into one (rule F-4).
 *
 * @example
 * ```ts
 * const bundle = new TrustBundle('example.org', { x509Authorities: [root] })
 * const fromFile = TrustBundle.fromPem(pem, { trustDomain: 'example.org' })
 * ```
 */
export class TrustBundle {
  /** The trust domain of the bundle; it verifies SVIDs of no other trust domain. */
  readonly trustDomain: TrustDomain
  /** The certificates that verify X.509-SVIDs, without duplicates. */
  readonly x509Authorities: readonly Certificate[]
  /** The keys that verify JWT-SVIDs, with unique `kid`s. */
  readonly jwtAuthorities: readonly JwtAuthority[]
  /** Increases with every change of content (rule B-2); undefined if unknown. */
  readonly sequenceNumber: bigint | undefined
  /** How often to refresh the bundle, in seconds (rule B-3); undefined if unknown. */
  readonly refreshHintSeconds: number | undefined
  /** The skipped entries, with place and reason; the first 100. */
  readonly ignored: readonly IgnoredKey[]
  readonly #certificates: ReadonlySet<string>
  readonly #keys: ReadonlyMap<string, JwtAuthority>

  /**
   * An unreadable certificate is skipped; the others are still read. `ignored` lists its place, its subject
   * and the reason.
   *
   * @throws ERR_TRUST_DOMAIN_INVALID
   * @throws ERR_INVALID_ARGUMENT one `kid` for two keys, an invalid number, a value that is not a certificate
   * in any form, an unknown option
   * @throws ERR_LIMIT_EXCEEDED more than 10,000 authorities; if no certificate can be read, the error of the
   * first
   */
  constructor(trustDomain: TrustDomain | string, content: TrustBundleContent = {}) {
    this.trustDomain = TrustDomain.from(trustDomain)
    const read = readOptions<TrustBundleContent>('TrustBundle', content, contentKinds)
    const { x509Authorities = [], jwtAuthorities = [] } = read
    if (!Array.isArray(x509Authorities as unknown) || !Array.isArray(jwtAuthorities as unknown)) {
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        'x509Authorities and jwtAuthorities must be lists; `fromPem` reads certificates from text',
      )
    }
    const { certificates, ignored } = readAuthorities(x509Authorities, this.trustDomain.name, maxAuthorities)
    const keys = new Map<string, JwtAuthority>()
    for (const authority of jwtAuthorities) {
      if (keys.get(authority.keyId)?.equals(authority) === false) {
        throw new PkiError('ERR_INVALID_ARGUMENT', 'two JWT authorities have the same kid')
      }
      keys.set(authority.keyId, authority)
      if (keys.size > maxAuthorities) throw tooMany(maxAuthorities)
    }
    checkNumbers(read)
    this.x509Authorities = Object.freeze([...certificates.values()])
    this.jwtAuthorities = Object.freeze([...keys.values()])
    this.sequenceNumber = read.sequenceNumber
    this.refreshHintSeconds = read.refreshHintSeconds
    this.ignored = Object.freeze([...(read.ignored ?? []), ...ignored].slice(0, maxIgnored))
    this.#certificates = new Set(certificates.keys())
    this.#keys = keys
    Object.freeze(this)
  }

  /**
   * A bundle of all certificates in a PEM text. An unreadable one is skipped; the others are still read.
   * `ignored` lists its place, its subject and the reason.
   *
   * @throws ERR_TRUST_DOMAIN_INVALID, ERR_PEM, ERR_LIMIT_EXCEEDED, ERR_INVALID_ARGUMENT; if no certificate
   * can be read, the error of the first
   */
  static fromPem(pem: string | Uint8Array, options: BundleOptions): TrustBundle {
    const { trustDomain } = readOptions<BundleOptions>('TrustBundle.fromPem', options, bundleKinds)
    return new TrustBundle(trustDomain, { x509Authorities: decodePemBlocks(pem, pemLabels) })
  }

  /**
   * A bundle of concatenated DER certificates, the format of the Workload API (rule W-10); the bytes are
   * copied. An unreadable certificate is skipped, as in `fromPem`. Empty input gives a bundle without
   * authorities.
   *
   * @throws ERR_TRUST_DOMAIN_INVALID, ERR_DER, ERR_LIMIT_EXCEEDED, ERR_INVALID_ARGUMENT; if no certificate
   * can be read, the error of the first
   */
  static fromDer(der: Uint8Array, options: BundleOptions): TrustBundle {
    const { trustDomain } = readOptions<BundleOptions>('TrustBundle.fromDer', options, bundleKinds)
    const reader = new DerReader(requireOctets(der, 'the DER of certificates').slice())
    const certificates: Uint8Array[] = []
    while (!reader.done) {
      if (certificates.length >= maxAuthorities) throw tooMany(maxAuthorities)
      reader.expect(tags.sequence, 'a certificate')
      certificates.push(reader.element())
    }
    return new TrustBundle(trustDomain, { x509Authorities: certificates })
  }

  /** Whether the bundle has no authority: every SVID of the trust domain is then invalid (rule B-4). */
  get isEmpty(): boolean {
    return this.x509Authorities.length === 0 && this.jwtAuthorities.length === 0
  }

  /** This bundle for its own trust domain, undefined for any other: a bundle is a `BundleSource`. */
  bundleFor(trustDomain: TrustDomain): TrustBundle | undefined {
    return this.trustDomain.equals(trustDomain) ? this : undefined
  }

  /** Whether this certificate, byte for byte, is an authority. */
  hasX509Authority(certificate: Certificate): boolean {
    return this.#certificates.has(bytesKey(certificate.der))
  }

  /** The JWT authority with this `kid`. */
  jwtAuthority(keyId: string): JwtAuthority | undefined {
    return this.#keys.get(keyId)
  }

  /** The same bundle with some of its content replaced; `undefined` clears a number. */
  with(changes: TrustBundleContent): TrustBundle {
    return new TrustBundle(this.trustDomain, {
      x509Authorities: this.x509Authorities,
      jwtAuthorities: this.jwtAuthorities,
      sequenceNumber: this.sequenceNumber,
      refreshHintSeconds: this.refreshHintSeconds,
      ...changes,
    })
  }

  /** Whether both have the same authorities, in any order, of the same trust domain. */
  hasSameAuthorities(other: TrustBundle): boolean {
    return (
      this.trustDomain.equals(other.trustDomain) &&
      this.x509Authorities.length === other.x509Authorities.length &&
      this.jwtAuthorities.length === other.jwtAuthorities.length &&
      other.x509Authorities.every((certificate) => this.hasX509Authority(certificate)) &&
      other.jwtAuthorities.every(
        (authority) => this.jwtAuthority(authority.keyId)?.equals(authority) === true,
      )
    )
  }

  /** Whether both are equal in all properties. */
  equals(other: TrustBundle): boolean {
    return (
      this.sequenceNumber === other.sequenceNumber &&
      this.refreshHintSeconds === other.refreshHintSeconds &&
      this.hasSameAuthorities(other)
    )
  }

  /** The X.509 authorities as PEM; `''` if there are none. */
  toPem(): string {
    return this.x509Authorities.map((certificate) => certificate.toPem()).join('')
  }

  /** The X.509 authorities as concatenated DER. */
  toDer(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.x509Authorities.map(({ der }) => der)))
  }
}

function checkNumbers({ sequenceNumber, refreshHintSeconds }: TrustBundleContent): void {
  if (sequenceNumber !== undefined && (typeof sequenceNumber !== 'bigint' || sequenceNumber < 0n)) {
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `the sequence number must be a BigInt of at least 0 (B-2), found ${shownValue(sequenceNumber)}`,
    )
  }
  // B-3: a whole number of seconds.
  checkCounts({ refreshHintSeconds }, 0)
}

/** Far above any trust domain; limits the cost of a bundle from outside. */
const maxAuthorities = 10_000
const maxIgnored = 100
const pemLabels = ['CERTIFICATE', 'X509 CERTIFICATE']
const bundleKinds = { trustDomain: 'required' } as const
/** `with` clears a number by an undefined value. */
const contentKinds = {
  x509Authorities: 'optional',
  jwtAuthorities: 'optional',
  sequenceNumber: 'optional',
  refreshHintSeconds: 'optional',
  ignored: 'optional',
} as const
