// Algorithms and key strength that a profile allows (RFC 5280 §6.1.3 leaves them to local policy).

import type { Certificate, PublicKey } from '../../x509/index.ts'
import type { ValidationProfile } from '../profile.ts'
import { reject } from '../rejection.ts'
import type { Rejection } from '../rejection.ts'

/** The algorithm a certificate is signed with; of an anchor nothing is asked, as nobody relies on its own signature. */
export function checkSignatureAlgorithm(certificate: Certificate, profile: ValidationProfile): Rejection | undefined {
  const { signatureAlgorithm: name, oid } = certificate.signatureAlgorithm
  if (name !== undefined && profile.signatureAlgorithms.includes(name)) return undefined
  const found = name ?? `the algorithm ${oid}, with these parameters`
  return reject('ERR_PATH_ALGORITHM', `profile ${profile.name}: signature algorithms`, `signed with ${found}, which is not taken`, certificate)
}

/** The kind and size of a key: a certificate's, or an anchor's without one. */
export function checkKey(key: PublicKey, profile: ValidationProfile, certificate?: Certificate): Rejection | undefined {
  const { algorithm, bits, problem, modulus } = key.info
  const rule = `profile ${profile.name}: keys`
  if (algorithm === undefined || !profile.keyAlgorithms.includes(algorithm)) {
    return reject('ERR_PATH_ALGORITHM', rule, `the public key is ${algorithm ?? problem?.detail ?? 'of an unknown kind'}, which is not taken`, certificate)
  }
  if (modulus !== undefined && (bits < profile.minimumRsaBits || bits > profile.maximumRsaBits)) {
    const wanted = `${profile.minimumRsaBits} to ${profile.maximumRsaBits}`
    return reject('ERR_PATH_ALGORITHM', rule, `an RSA key of ${bits} bits; ${wanted} are taken`, certificate)
  }
  // The key of a leaf is never imported here, so nobody else would notice.
  if (!key.isOnCurve) return reject('ERR_PATH_ALGORITHM', 'SP 800-56A §5.6.2.3', 'the public key is a point that is not on its curve', certificate)
  return undefined
}
