// keys/…: what a SoftwareSigner adds to node:crypto.

import { generateKeyPairSync, sign } from 'node:crypto'
import { SoftwareSigner } from '../src/keys/index.ts'
import type { BenchRow } from './row.ts'

const data = Buffer.alloc(400, 1)
const loops = 20

export const rows: readonly BenchRow[] = (['P-256', 'Ed25519'] as const).map((algorithm) => {
  const { privateKey } =
    algorithm === 'Ed25519'
      ? generateKeyPairSync('ed25519')
      : generateKeyPairSync('ec', { namedCurve: algorithm })
  const signer = new SoftwareSigner(privateKey)
  const hash = algorithm === 'Ed25519' ? undefined : 'sha256'
  return {
    name: `keys/sign-${algorithm.toLowerCase().replace('-', '')}`,
    operations: loops,
    ours: () => {
      for (let i = 0; i < loops; i++) void signer.sign(data)
    },
    peers: {
      'node:crypto': () => {
        for (let i = 0; i < loops; i++) sign(hash, data, privateKey)
      },
    },
    bars: { 'node:crypto': 0.85 },
    goals: { 'node:crypto': 0.95 },
  }
})
