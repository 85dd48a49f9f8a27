// What the pool and its workers say to each other: many certificates a message, their bytes in one buffer that is handed over.

import type { KeyObject } from 'node:crypto'
import type { PkiErrorCode } from '../../errors/index.ts'
import { DistinguishedName } from '../../x509/index.ts'
import type { GeneralName } from '../../x509/index.ts'
import type { CertificateContent, CertificateProfile } from '../../ca/index.ts'

/** What a worker is started with. A KeyObject crosses threads without its octets being written out. */
export interface WorkerSetup {
  readonly trustDomain: string
  readonly certificate: Uint8Array
  readonly chain: readonly Uint8Array[]
  readonly roots: readonly Uint8Array[]
  readonly privateKey: KeyObject
  readonly pss: boolean
  readonly profile: CertificateProfile | undefined
}

/** One certificate to make. `at` and `length` say where its request is in the buffer. */
export interface WorkerJob {
  readonly id: number
  readonly at: number
  readonly length: number
  readonly serialNumber: Uint8Array
  readonly content: PlainContent
}

/** `CertificateContent` without objects of classes. */
export interface PlainContent {
  readonly subjectAltName: readonly GeneralName[]
  readonly subject: Uint8Array | undefined
  readonly ttlSeconds: number | undefined
  readonly maximumTtlSeconds: number | undefined
}

/** A batch of jobs. */
export interface WorkerRequest {
  readonly jobs: readonly WorkerJob[]
  readonly bytes: Uint8Array
}

/** A certificate's place in the buffer, or why there is none. */
export type WorkerResult =
  | { readonly id: number, readonly at: number, readonly length: number }
  | { readonly id: number, readonly code: PkiErrorCode, readonly message: string }

/** The answer to a batch. */
export interface WorkerReply {
  readonly results: readonly WorkerResult[]
  readonly bytes: Uint8Array
}

export function plainContent({ subjectAltName, subject, ttlSeconds, maximumTtlSeconds }: CertificateContent): PlainContent {
  return { subjectAltName, subject: subject?.der, ttlSeconds, maximumTtlSeconds }
}

export function contentOf({ subjectAltName, subject, ttlSeconds, maximumTtlSeconds }: PlainContent): CertificateContent {
  return { subjectAltName, subject: subject === undefined ? undefined : DistinguishedName.fromDer(subject), ttlSeconds, maximumTtlSeconds }
}
