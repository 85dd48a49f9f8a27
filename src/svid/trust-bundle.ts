// The trust bundle of one trust domain: the certificates and keys that vouch for its SVIDs.
// SPIFFE_Trust_Domain_and_Bundle.md sections 3 and 4.

import { DerReader } from '../der/index.ts'
import { PkiError } from '../errors/index.ts'
import { bytesKey } from '../internal/bytes.ts'
import { checkCounts } from '../internal/numbers.ts'
import { TrustDomain } from '../spiffe/index.ts'
import { Certificate } from '../x509/index.ts'
import type { CertificateInput } from '../x509/index.ts'
import type { JwtAuthority } from './jwt-authority.ts'

/** What a trust bundle is made of. */
export interface TrustBundleContent {
  /** Authorities of X.509-SVIDs; a repeated one counts once. None: the trust domain has no X.509-SVIDs (rule X-15). */
  readonly x509Authorities?: Iterable<CertificateInput> | undefined
  /** Authorities of JWT-SVIDs, each `kid` once. */
  readonly jwtAuthorities?: Iterable<JwtAuthority> | undefined
  /** Grows with every change of content (rule B-2); 64 bits and more. */
  readonly sequenceNumber?: bigint | undefined
  /** How often a consumer should ask again, in seconds (rule B-3). */
  readonly refreshHintSeconds?: number | undefined
}

/**
 * The authorities of one trust domain. Immutable: a rotation makes another bundle, see `TrustBundleSet`.
 *
 * A bundle without authorities is valid and revokes everything (rule B-4). There is no way to join the bundles of two
 * trust domains into one (rule F-4).
 *
 * @example
 * ```ts
 * const bundle = new TrustBundle('example.org', { x509Authorities: [root] })
 * const fromFile = TrustBundle.fromPem(pem, { trustDomain: 'example.org' })
 * ```
 */
export class TrustBundle {
  /** Whose bundle it is: it vouches for no other trust domain. */
  readonly trustDomain: TrustDomain
  /** The certificates that X.509-SVIDs are verified by, each once. */
  readonly x509Authorities: readonly Certificate[]
  /** The keys that JWT-SVIDs are verified by, each `kid` once. */
  readonly jwtAuthorities: readonly JwtAuthority[]
  /** Grows with every change of content (rule B-2); undefined where nobody says. */
  readonly sequenceNumber: bigint | undefined
  /** How often to ask again, in seconds (rule B-3); undefined where nobody says. */
  readonly refreshHintSeconds: number | undefined
  readonly #certificates: ReadonlySet<string>
  readonly #keys: ReadonlyMap<string, JwtAuthority>

  /**
   * @throws ERR_TRUST_DOMAIN_INVALID
   * @throws ERR_INVALID_ARGUMENT one `kid` for two keys, a negative or broken number
   * @throws ERR_LIMIT_EXCEEDED more than 10,000 authorities
   */
  constructor(trustDomain: TrustDomain | string, content: TrustBundleContent = {}) {
    this.trustDomain = TrustDomain.from(trustDomain)
    const { x509Authorities = [], jwtAuthorities = [] } = content
    if (!Array.isArray(x509Authorities as unknown) || !Array.isArray(jwtAuthorities as unknown)) {
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        'x509Authorities and jwtAuthorities are lists; `fromPem` reads certificates from text',
      )
    }
    const certificates = new Map<string, Certificate>()
    for (const input of x509Authorities) {
      const certificate = Certificate.from(input)
      certificates.set(bytesKey(certificate.der), certificate)
      checkCount(certificates.size)
    }
    const keys = new Map<string, JwtAuthority>()
    for (const authority of jwtAuthorities) {
      if (keys.get(authority.keyId)?.equals(authority) === false) {
        throw new PkiError('ERR_INVALID_ARGUMENT', 'two JWT authorities have the same kid')
      }
      keys.set(authority.keyId, authority)
      checkCount(keys.size)
    }
    checkNumbers(content)
    this.x509Authorities = Object.freeze([...certificates.values()])
    this.jwtAuthorities = Object.freeze([...keys.values()])
    this.sequenceNumber = content.sequenceNumber
    this.refreshHintSeconds = content.refreshHintSeconds
    this.#certificates = new Set(certificates.keys())
    this.#keys = keys
    Object.freeze(this)
  }

  /**
   * A bundle of every certificate in a PEM text.
   *
   * @throws ERR_TRUST_DOMAIN_INVALID, ERR_PEM, ERR_LIMIT_EXCEEDED, and as `Certificate.parse`
   */
  static fromPem(
    pem: string | Uint8Array,
    options: { readonly trustDomain: TrustDomain | string },
  ): TrustBundle {
    return new TrustBundle((Object(options) as typeof options).trustDomain, {
      x509Authorities: Certificate.listFromPem(pem),
    })
  }

  /**
   * A bundle of DER certificates one after another, as the Workload API sends them (rule W-10); the bytes are copied.
   * No bytes give a bundle without authorities.
   *
   * @throws ERR_TRUST_DOMAIN_INVALID, ERR_DER, ERR_LIMIT_EXCEEDED, and as `Certificate.parse`
   */
  static fromDer(der: Uint8Array, options: { readonly trustDomain: TrustDomain | string }): TrustBundle {
    const reader = new DerReader(der)
    const certificates: Certificate[] = []
    while (!reader.done) {
      checkCount(certificates.length + 1)
      reader.next()
      certificates.push(Certificate.parse(reader.element().slice()))
    }
    return new TrustBundle(options.trustDomain, { x509Authorities: certificates })
  }

  /** Whether it has no authority at all: every SVID of the trust domain is then invalid (rule B-4). */
  get isEmpty(): boolean {
    return this.x509Authorities.length === 0 && this.jwtAuthorities.length === 0
  }

  /** This bundle for its own trust domain, nothing for any other: a bundle is a `BundleSource`. */
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

  /** Whether both are the same in everything. */
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

  /** The X.509 authorities as DER, one after another. */
  toDer(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.x509Authorities.map(({ der }) => der)))
  }
}

function checkCount(count: number): void {
  if (count <= maxAuthorities) return
  throw new PkiError('ERR_LIMIT_EXCEEDED', `more than ${maxAuthorities} authorities in one trust bundle`)
}

function checkNumbers({ sequenceNumber, refreshHintSeconds }: TrustBundleContent): void {
  if (sequenceNumber !== undefined && (typeof sequenceNumber !== 'bigint' || sequenceNumber < 0n)) {
    throw new PkiError('ERR_INVALID_ARGUMENT', 'a sequence number is a BigInt of 0 or more (B-2)')
  }
  // B-3: a whole number of seconds.
  checkCounts({ refreshHintSeconds }, 0)
}

/** Far above any trust domain; bounds what a bundle from outside can cost. */
const maxAuthorities = 10_000
