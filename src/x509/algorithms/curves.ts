// The elliptic curves of ECDSA keys, and the sizes that their encodings have (RFC 5480 §2.1.1.1, SP 800-186).

/** A curve by its name. */
export type CurveName = 'P-256' | 'P-384' | 'P-521'

/** The parameters of a curve that encodings need. */
export interface Curve {
  readonly name: CurveName
  readonly oid: string
  readonly bits: number
  /** The length of a coordinate of a point, and of each half of a signature in its fixed form. */
  readonly octets: number
  /** The order of the group, in hexadecimal (SP 800-186 §3.2.1). */
  readonly order: string
}

/** Every supported curve by its name. */
export const curves: Readonly<Record<CurveName, Curve>> = {
  'P-256': {
    name: 'P-256',
    oid: '1.2.840.10045.3.1.7',
    bits: 256,
    octets: 32,
    order: 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551',
  },
  'P-384': {
    name: 'P-384',
    oid: '1.3.132.0.34',
    bits: 384,
    octets: 48,
    order: 'ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973',
  },
  'P-521': {
    name: 'P-521',
    oid: '1.3.132.0.35',
    bits: 521,
    octets: 66,
    order:
      '01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa' +
      '51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409',
  },
}

/** The curve of an OID, if it is supported. */
export function curveByOid(oid: string): Curve | undefined {
  return byOid.get(oid)
}

/** The curve with this name; undefined if there is none. */
export function curveByName(name: string): Curve | undefined {
  return Object.hasOwn(curves, name) ? curves[name as CurveName] : undefined
}

const byOid: ReadonlyMap<string, Curve> = new Map(Object.values(curves).map((curve) => [curve.oid, curve]))
