// The key derivation of PKCS#12 (RFC 7292 appendix B.2) with SHA-1.

import { isUtf8, transcode } from 'node:buffer'
import { createHash } from 'node:crypto'

/** What the derived octets are for: RFC 7292 appendix B.3. */
const purposes = { key: 1, iv: 2 } as const

/** The input of the derivation. */
export interface Pkcs12Derivation {
  readonly salt: Uint8Array
  readonly rounds: number
}

/** Derives `octets` octets from the passphrase. The caller overwrites them with zeros after use. */
export function derivePkcs12(
  { salt, rounds }: Pkcs12Derivation,
  purpose: keyof typeof purposes,
  octets: number,
  passphrase: Uint8Array,
): Buffer {
  const text = asBmpString(passphrase)
  const diversifier = Buffer.alloc(blockOctets, purposes[purpose])
  const input = Buffer.concat([repeated(salt), repeated(text)])
  text.fill(0)
  const derived = Buffer.alloc(octets)
  for (let at = 0; at < octets; at += hashOctets) {
    let hash = sha1(diversifier, input)
    for (let round = 1; round < rounds; round++) {
      const next = sha1(hash)
      hash.fill(0)
      hash = next
    }
    derived.set(hash.subarray(0, octets - at), at)
    addToBlocks(input, hash)
    hash.fill(0)
  }
  input.fill(0)
  return derived
}

/** The passphrase as a BMPString with two octets of zero at its end: RFC 7292 appendix B.1. */
function asBmpString(passphrase: Uint8Array): Buffer {
  // As in OpenSSL, octets that are not UTF-8 are read as ISO 8859-1. They are not converted to a string,
  // because a string cannot be wiped.
  const text = transcode(passphrase, isUtf8(passphrase) ? 'utf8' : 'latin1', 'ucs2')
  const terminated = Buffer.concat([text, Buffer.alloc(2)]).swap16()
  text.fill(0)
  return terminated
}

/** Copies, one after the other, up to the next multiple of the block. */
function repeated(octets: Uint8Array): Buffer {
  const length = blockOctets * Math.ceil(octets.length / blockOctets)
  return length === 0 ? Buffer.alloc(0) : Buffer.alloc(length, octets)
}

/** Adds to each block of `input` the repeated hash plus one, modulo 2^512. */
function addToBlocks(input: Uint8Array, hash: Uint8Array): void {
  for (let end = blockOctets; end <= input.length; end += blockOctets) {
    let carry = 1
    for (let index = blockOctets - 1; index >= 0; index--) {
      const at = end - blockOctets + index
      carry += (input[at] as number) + (hash[index % hashOctets] as number)
      input[at] = carry & 0xff
      carry >>= 8
    }
  }
}

function sha1(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha1')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/** SHA-1: the octets of a block of its input, and of its output. */
const blockOctets = 64
const hashOctets = 20
