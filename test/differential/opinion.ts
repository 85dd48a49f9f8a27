// What every opinion is asked, and what it answers.

/**
 * - `leaf`: a path for the input, any purpose
 * - `server`: the same as a TLS server, for the host of `pki.ts`
 * - `issuer`: a path for a fixed leaf, with the input as the only intermediate
 * - `request`: the proof of possession of a certification request
 * - `list`: form and signature of a CRL, for a fixed issuer
 */
export type Question = 'leaf' | 'server' | 'issuer' | 'request' | 'list'

export interface Case {
  readonly question: Question
  readonly der: Uint8Array
}

export interface Opinion {
  readonly accepted: boolean
  /** Why not; empty where accepted. */
  readonly reason: string
}

/** Judges many cases at once; one answer each, in order. */
export type Judge = (cases: readonly Case[]) => readonly Opinion[]
