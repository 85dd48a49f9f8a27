// The contract of witnesses: they cosign checkpoints only of a log that grows.

import { randomBytes } from 'node:crypto'
import type { AuditWitness } from '../../audit/index.ts'
import {
  consistencyProof,
  formatCheckpoint,
  leafHash,
  noteKeyOf,
  parentHashes,
  readCheckpoint,
  rootHash,
  signNote,
} from '../../audit/internal.ts'
import { SoftwareSigner } from '../../keys/index.ts'
import { holds, same } from './contract-case.ts'
import type { ContractCase } from './contract-case.ts'

/** The tested implementation. @inline */
export interface AuditWitnessContractOptions {
  /** Creates a witness of a new log, whose key this is: it has no checkpoint of this log yet. */
  readonly open: (log: AuditWitness['key']) => AuditWitness | Promise<AuditWitness>
}

/** The cases of `AuditWitness`. */
export function auditWitnessContract({ open }: AuditWitnessContractOptions): readonly ContractCase[] {
  const tests: Readonly<Record<string, (log: Log, witness: AuditWitness) => Promise<void>>> = {
    'cosigns the first checkpoint and each later one, with one valid line': async (log, witness) => {
      let older = 0
      for (const size of [1, 2, 3, 7, 8, 20]) {
        const note = await log.noteOf(size)
        const line = await witness.cosign(note, older, await log.proof(older, size))
        holds(/^\u2014 [^\s+]+ [A-Za-z0-9+/=]+\n$/u.test(line), `not one line: ${JSON.stringify(line)}`)
        same(readCheckpoint(note + line, log.key, [witness.key]).size, size, 'the cosigned size')
        older = size
      }
    },
    'refuses a checkpoint whose proof is of another history, and cosigns the right one then': async (
      log,
      witness,
    ) => {
      const fork = log.forkedAt(3)
      await cosigned(log, witness, 0, 5)
      await notCosigned('a fork', witness.cosign(await fork.noteOf(9), 5, await fork.proof(5, 9)))
      await notCosigned('a wrong proof', witness.cosign(await log.noteOf(9), 5, await fork.proof(5, 9)))
      await notCosigned('an absent proof', witness.cosign(await log.noteOf(9), 5, []))
      await cosigned(log, witness, 5, 9)
    },
    'refuses another tree of the same size': async (log, witness) => {
      await cosigned(log, witness, 0, 5)
      await notCosigned('a fork', witness.cosign(await log.forkedAt(3).noteOf(5), 5, []))
    },
    'refuses a log that begins again': async (log, witness) => {
      await cosigned(log, witness, 0, 5)
      const other = log.forkedAt(0)
      await notCosigned('a new history', witness.cosign(await other.noteOf(9), 0, []))
    },
    'refuses a smaller checkpoint than the last one': async (log, witness) => {
      await cosigned(log, witness, 0, 5)
      await cosigned(log, witness, 5, 9)
      await notCosigned('a smaller one', witness.cosign(await log.noteOf(7), 5, await log.proof(5, 7)))
    },
    'refuses a checkpoint that this log did not sign': async (log, witness) => {
      const stranger = await Log.create(log.key.name)
      await notCosigned('an unknown key', witness.cosign(await stranger.noteOf(4), 0, []))
      const renamed = await Log.create(`${log.key.name}/other`)
      await notCosigned('another origin', witness.cosign(await renamed.noteOf(4), 0, []))
      const note = await log.noteOf(4)
      await notCosigned('a changed size', witness.cosign(note.replace('\n4\n', '\n5\n'), 0, []))
      await notCosigned('a text without a signature', witness.cosign(note.split('\n\n', 1).join(''), 0, []))
      await cosigned(log, witness, 0, 4)
    },
    'cosigns at most one of two histories that arrive at once': async (log, witness) => {
      const fork = log.forkedAt(5)
      await cosigned(log, witness, 0, 5)
      const answers = await Promise.allSettled(
        await Promise.all(
          [log, fork].map(async (one) => [await one.noteOf(9), await one.proof(5, 9)] as const),
        ).then((calls) => calls.map(([note, proof]) => witness.cosign(note, 5, proof))),
      )
      const fulfilled = answers.filter(({ status }) => status === 'fulfilled')
      same(fulfilled.length, 1, 'the cosigned histories')
    },
  }
  return Object.entries(tests).map(([name, test]) => ({
    name,
    run: async () => {
      const log = await Log.create(`contract.example/${randomBytes(8).toString('hex')}`)
      await test(log, await open(log.key))
    },
  }))
}

async function cosigned(log: Log, witness: AuditWitness, older: number, size: number): Promise<void> {
  const note = await log.noteOf(size)
  const line = await witness.cosign(note, older, await log.proof(older, size))
  readCheckpoint(note + line, log.key, [witness.key])
}

async function notCosigned(what: string, answer: Promise<string>): Promise<void> {
  const found = await answer.catch((error: unknown) => error)
  holds(found instanceof Error, `${what} was cosigned`)
}

/** A log of twenty random entries, as its checkpoints and proofs. */
class Log {
  readonly #signer: SoftwareSigner
  readonly #leaves: readonly Uint8Array[]
  readonly key: AuditWitness['key']

  private constructor(name: string, signer: SoftwareSigner, leaves: readonly Uint8Array[]) {
    this.#signer = signer
    this.#leaves = leaves
    this.key = noteKeyOf(name, signer.publicKey)
  }

  static async create(name: string): Promise<Log> {
    return new Log(name, await SoftwareSigner.generate('Ed25519'), randomLeaves(20))
  }

  /** A log with the same key and the first `size` entries, and with others after them. */
  forkedAt(size: number): Log {
    const leaves = [...this.#leaves.slice(0, size), ...randomLeaves(20 - size)]
    return new Log(this.key.name, this.#signer, leaves)
  }

  async noteOf(size: number): Promise<string> {
    const root = await rootHash(size, this.#subtree)
    return signNote(formatCheckpoint({ origin: this.key.name, size, root }), this.key, this.#signer)
  }

  proof(older: number, size: number): Promise<Uint8Array[]> {
    return consistencyProof(older, size, this.#subtree)
  }

  readonly #subtree = async (level: number, index: number): Promise<Uint8Array> => {
    let row = this.#leaves.slice(index * 2 ** level, (index + 1) * 2 ** level)
    while (row.length > 1) row = parentHashes(row)
    return row[0] as Uint8Array
  }
}

function randomLeaves(count: number): readonly Uint8Array[] {
  return Array.from({ length: count }, () => leafHash(randomBytes(50)))
}
