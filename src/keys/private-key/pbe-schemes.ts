// Object identifiers of password-based encryption: supported schemes, and the names of unsupported ones.

/** RFC 8018 section A.4, RFC 7914 section 7, RFC 3565 section 4.1. */
export const pbes2Oids = {
  pbes2: '1.2.840.113549.1.5.13',
  scrypt: '1.3.6.1.4.1.11591.4.11',
  aes256Cbc: '2.16.840.1.101.3.4.1.42',
} as const

/** RFC 8018 section A.2. */
export const pbkdf2Oid = '1.2.840.113549.1.5.12'

/**
 * Pseudorandom functions of PBKDF2 with the platform's name of their hash:
 * RFC 8018 section B.1, NIST's arc of hash algorithms.
 */
export const prfs: Readonly<Record<string, string>> = {
  '1.2.840.113549.2.6': 'md5',
  '1.2.840.113549.2.7': 'sha1',
  '1.2.840.113549.2.8': 'sha224',
  '1.2.840.113549.2.9': 'sha256',
  '1.2.840.113549.2.10': 'sha384',
  '1.2.840.113549.2.11': 'sha512',
  '1.2.840.113549.2.12': 'sha512-224',
  '1.2.840.113549.2.13': 'sha512-256',
  '2.16.840.1.101.3.4.2.13': 'sha3-224',
  '2.16.840.1.101.3.4.2.14': 'sha3-256',
  '2.16.840.1.101.3.4.2.15': 'sha3-384',
  '2.16.840.1.101.3.4.2.16': 'sha3-512',
}

/** A cipher in CBC mode. */
export interface CipherRow {
  /** The platform's name. */
  readonly cipher: string
  readonly keyOctets: number
  readonly ivOctets: number
}

/** Ciphers of PBES2 whose parameter is the IV: RFC 8018 section B.2, RFC 3565, RFC 3657, RFC 5794. */
export const ciphers: Readonly<Record<string, CipherRow>> = {
  '1.2.840.113549.3.7': { cipher: 'des-ede3-cbc', keyOctets: 24, ivOctets: 8 },
  '2.16.840.1.101.3.4.1.2': { cipher: 'aes-128-cbc', keyOctets: 16, ivOctets: 16 },
  '2.16.840.1.101.3.4.1.22': { cipher: 'aes-192-cbc', keyOctets: 24, ivOctets: 16 },
  [pbes2Oids.aes256Cbc]: { cipher: 'aes-256-cbc', keyOctets: 32, ivOctets: 16 },
  '1.2.392.200011.61.1.1.1.2': { cipher: 'camellia-128-cbc', keyOctets: 16, ivOctets: 16 },
  '1.2.392.200011.61.1.1.1.3': { cipher: 'camellia-192-cbc', keyOctets: 24, ivOctets: 16 },
  '1.2.392.200011.61.1.1.1.4': { cipher: 'camellia-256-cbc', keyOctets: 32, ivOctets: 16 },
  '1.2.410.200046.1.1.2': { cipher: 'aria-128-cbc', keyOctets: 16, ivOctets: 16 },
  '1.2.410.200046.1.1.7': { cipher: 'aria-192-cbc', keyOctets: 24, ivOctets: 16 },
  '1.2.156.10197.1.104.2': { cipher: 'sm4-cbc', keyOctets: 16, ivOctets: 16 },
  '1.2.410.200046.1.1.12': { cipher: 'aria-256-cbc', keyOctets: 32, ivOctets: 16 },
}

/** Schemes of PKCS#12 with a cipher that OpenSSL's default provider has: RFC 7292 appendix C. */
export const pkcs12TripleDes: Readonly<Record<string, CipherRow>> = {
  // pbeWithSHAAnd3-KeyTripleDES-CBC and pbeWithSHAAnd2-KeyTripleDES-CBC
  '1.2.840.113549.1.12.1.3': { cipher: 'des-ede3-cbc', keyOctets: 24, ivOctets: 8 },
  '1.2.840.113549.1.12.1.4': { cipher: 'des-ede-cbc', keyOctets: 16, ivOctets: 8 },
}

/**
 * Schemes, ciphers and functions that are refused by name: OpenSSL's name
 * first, the name in the standard in parentheses.
 */
export const unsupportedSchemes: Readonly<Record<string, string>> = {
  // RFC 8018 section A.3
  '1.2.840.113549.1.5.1': 'PBE-MD2-DES (pbeWithMD2AndDES-CBC)',
  '1.2.840.113549.1.5.3': 'PBE-MD5-DES (pbeWithMD5AndDES-CBC)',
  '1.2.840.113549.1.5.4': 'PBE-MD2-RC2-64 (pbeWithMD2AndRC2-CBC)',
  '1.2.840.113549.1.5.6': 'PBE-MD5-RC2-64 (pbeWithMD5AndRC2-CBC)',
  '1.2.840.113549.1.5.10': 'PBE-SHA1-DES (pbeWithSHA1AndDES-CBC)',
  '1.2.840.113549.1.5.11': 'PBE-SHA1-RC2-64 (pbeWithSHA1AndRC2-CBC)',
  // RFC 7292 section C
  '1.2.840.113549.1.12.1.1': 'PBE-SHA1-RC4-128 (pbeWithSHAAnd128BitRC4)',
  '1.2.840.113549.1.12.1.2': 'PBE-SHA1-RC4-40 (pbeWithSHAAnd40BitRC4)',
  '1.2.840.113549.1.12.1.5': 'PBE-SHA1-RC2-128 (pbeWithSHAAnd128BitRC2-CBC)',
  '1.2.840.113549.1.12.1.6': 'PBE-SHA1-RC2-40 (pbeWithSHAAnd40BitRC2-CBC)',
  // Java key stores, Entrust
  '1.3.6.1.4.1.42.2.17.1.1': 'the key protection of Java key stores (JKS)',
  '1.3.6.1.4.1.42.2.19.1': 'PBEWithMD5AndTripleDES of Java key stores (JCEKS)',
  '1.2.840.113533.7.66.12': 'PBE-MD5-CAST5 (pbeWithMD5AndCast5-CBC)',
  // Ciphers of PBES2
  '1.3.14.3.2.7': 'des-cbc (DES-CBC)',
  '1.2.840.113549.3.2': 'rc2-cbc (RC2-CBC)',
  '1.2.840.113549.3.4': 'rc4 (RC4)',
  '1.2.840.113549.3.9': 'rc5-cbc (RC5-CBC)',
  '1.3.6.1.4.1.3029.1.2': 'bf-cbc (Blowfish-CBC)',
  '1.3.6.1.4.1.188.7.1.1.2': 'idea-cbc (IDEA-CBC)',
  '1.2.840.113533.7.66.10': 'cast5-cbc (CAST5-CBC)',
  '1.2.410.200004.1.4': 'seed-cbc (SEED-CBC)',
  '2.16.840.1.101.3.4.1.6': 'aes-128-gcm (AES-128-GCM)',
  '2.16.840.1.101.3.4.1.26': 'aes-192-gcm (AES-192-GCM)',
  '2.16.840.1.101.3.4.1.46': 'aes-256-gcm (AES-256-GCM)',
  '1.2.643.2.2.21': 'gost89 (GOST 28147-89)',
  // Key derivation and its functions
  '1.2.643.7.1.1.4.1': 'PBKDF2 with HMAC_GOSTR3411_2012_256',
  '1.2.643.7.1.1.4.2': 'PBKDF2 with HMAC_GOSTR3411_2012_512',
  '1.2.643.2.2.10': 'PBKDF2 with HMAC_GOSTR3411_94',
}
