// A local upstream: another CA in this process, or one whose certificate and key are in files.

import { PkiError, isPkiError } from '../../errors/index.ts'
import { requireCount } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import { systemClock } from '../../runtime/index.ts'
import type { Clock } from '../../runtime/index.ts'
import { TrustDomain } from '../../spiffe/index.ts'
import type { CertificateRequest } from '../../x509/index.ts'
import { createIntermediateCertificate } from '../authority/ca-certificate.ts'
import type { CaCertificateOptions } from '../authority/ca-certificate.ts'
import { throwIfAborted } from '../authority/request-prover.ts'
import { readSigningMaterial } from '../authority/signing-material.ts'
import type { ReadMaterial, SigningMaterial } from '../authority/signing-material.ts'
import { readPluggedInMaterial } from '../plugged-in/plugged-in-material.ts'
import type { UpstreamAnswer, UpstreamAuthority, UpstreamRequest } from './upstream-authority.ts'

/** Options of `createLocalUpstream`. @inline */
export interface LocalUpstreamOptions extends Pick<CaCertificateOptions, 'nameConstraints'> {
  /** The trust domain of the intermediates. */
  readonly trustDomain: TrustDomain | string
  /** The CA that signs; a function is called for each request, so that the CA may change. */
  readonly ca?: SigningMaterial | (() => SigningMaterial | Promise<SigningMaterial>)
  /** Instead of `ca`: a directory as for `readPluggedInMaterial`, read each time. */
  readonly directory?: string
  /** Maximum validity of an intermediate, in seconds. Default 1 year; never beyond that of the CA. */
  readonly maxTtlSeconds?: number
  /** CA certificates that may follow below an intermediate. Default 0. */
  readonly pathLength?: number
  readonly clock?: Clock | undefined
}

/**
 * An upstream for `createRotatingAuthority`: another CA in this process (for example a root in a token), or
 * the files of a CA, like SPIRE's upstream authority `disk`. It certifies the subject of the request and the
 * URI of the trust domain, and refuses any other name.
 *
 * @throws ERR_INVALID_ARGUMENT unless exactly one of `ca` and `directory` is given; ERR_TRUST_DOMAIN_INVALID
 * @example
 * ```ts
 * const upstream = createLocalUpstream({ trustDomain: 'example.org', ca: { certificate: root, signer } })
 * await createRotatingAuthority({ trustDomain: 'example.org', upstream, storage, keys })
 * ```
 */
export function createLocalUpstream(options: LocalUpstreamOptions): UpstreamAuthority {
  const read = readOptions('createLocalUpstream', options, {
    trustDomain: 'required',
    ca: 'guard',
    directory: 'guard',
    maxTtlSeconds: 'guard',
    pathLength: 'guard',
    nameConstraints: 'guard',
    clock: 'optional',
  })
  const { ca, directory } = read
  if ((ca === undefined) === (directory === undefined))
    throw new PkiError('ERR_INVALID_ARGUMENT', 'createLocalUpstream: one of ca and directory is required')
  const maxTtlSeconds = requireCount('maxTtlSeconds', read.maxTtlSeconds ?? oneYear, 1)
  const pathLength = requireCount('pathLength', read.pathLength ?? 0, 0, 255)
  const material =
    directory === undefined
      ? async () => readSigningMaterial(await (typeof ca === 'function' ? ca() : (ca as SigningMaterial)))
      : () => readDirectory(directory)
  return new LocalUpstream(material, {
    ...{ maxTtlSeconds, pathLength, nameConstraints: read.nameConstraints },
    trustDomain: TrustDomain.from(read.trustDomain),
    clock: read.clock ?? systemClock,
    name: directory ?? 'in this process',
  })
}

interface Settings {
  readonly name: string
  readonly trustDomain: TrustDomain
  readonly maxTtlSeconds: number
  readonly pathLength: number
  readonly nameConstraints: CaCertificateOptions['nameConstraints'] | undefined
  readonly clock: Clock
}

class LocalUpstream implements UpstreamAuthority {
  readonly name: string
  readonly #material: () => Promise<ReadMaterial>
  readonly #settings: Settings

  constructor(material: () => Promise<ReadMaterial>, settings: Settings) {
    this.name = settings.name
    this.#material = material
    this.#settings = settings
  }

  async issueIntermediate({ csr, ttlSeconds, signal }: UpstreamRequest): Promise<UpstreamAnswer> {
    throwIfAborted(signal)
    const { trustDomain, maxTtlSeconds, pathLength, nameConstraints, clock } = this.#settings
    const seconds = requireCount('ttlSeconds', ttlSeconds, 1)
    const publicKey = proven(csr, trustDomain)
    const material = await this.#available()
    throwIfAborted(signal)
    const certificate = await createIntermediateCertificate(material, publicKey, {
      ...{ subject: csr.subject, trustDomain, pathLength, clock },
      ttlSeconds: Math.min(seconds, maxTtlSeconds),
      ...(nameConstraints === undefined ? {} : { nameConstraints }),
    })
    const isRoot = material.roots.some((root) => root.equals(material.certificate))
    const chain = [...(isRoot ? [] : [material.certificate]), ...material.candidates]
    return Object.freeze({ certificate, chain: Object.freeze(chain), roots: material.roots })
  }

  async roots(signal?: AbortSignal): Promise<UpstreamAnswer['roots']> {
    throwIfAborted(signal)
    return (await this.#available()).roots
  }

  async #available(): Promise<ReadMaterial> {
    try {
      return await this.#material()
    } catch (cause) {
      throw new PkiError(
        'ERR_CA_UNAVAILABLE',
        `the upstream ${this.name} has no CA: ${cause instanceof Error ? cause.message : String(cause)}`,
        { cause },
      )
    }
  }
}

async function readDirectory(directory: string): Promise<ReadMaterial> {
  const material = await readPluggedInMaterial(directory)
  if (material !== undefined) return readSigningMaterial(material)
  throw new PkiError('ERR_CA_MATERIAL', `${directory} has none of the files of a CA`)
}

/** @throws ERR_CA_REFUSED */
function proven(csr: CertificateRequest, trustDomain: TrustDomain): CertificateRequest['publicKey'] {
  const refuse = (why: string, cause?: unknown): never => {
    throw new PkiError('ERR_CA_REFUSED', `the request for an intermediate is refused: ${why}`, { cause })
  }
  try {
    const { publicKey } = csr.verify()
    publicKey.checkStrength()
    if (csr.subject.isEmpty) refuse('its subject is empty')
    const foreign = csr.subjectAltName?.find(
      (name) => name.type !== 'uri' || name.value !== trustDomain.idString,
    )
    if (foreign !== undefined) refuse(`its subject alternative name is not ${trustDomain.idString}`)
    return publicKey
  } catch (cause) {
    if (isPkiError(cause, 'ERR_CA_REFUSED')) throw cause
    return refuse(isPkiError(cause) ? cause.message : 'it is not a certification request', cause)
  }
}

const oneYear = 365 * 24 * 3600
