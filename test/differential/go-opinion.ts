// The opinion of Go's crypto/x509: the program in `go/` is built once and reads cases on its standard input.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { requires } from '../support/requires.ts'
import type { Judge, Opinion, Question } from './opinion.ts'
import { host, time } from './pki.ts'
import type { FixedPki } from './pki.ts'

export interface GoJudge {
  readonly judge: Judge
  close(): void
}

/** Undefined where Go is not installed. */
export function goJudge(pki: FixedPki): GoJudge | undefined {
  const go = ['go', '/usr/local/go/bin/go'].find(
    (command) => spawnSync(command, ['version'], { stdio: 'ignore' }).status === 0,
  )
  if (go === undefined) {
    requires('go')
    return undefined
  }
  const folder = mkdtempSync(join(tmpdir(), 'differential-go-'))
  const program = join(folder, 'opinion')
  const built = spawnSync(go, ['build', '-o', program, '.'], {
    cwd: join(import.meta.dirname, 'go'),
    env: {
      ...process.env,
      GOFLAGS: '-mod=mod',
      GOTOOLCHAIN: 'local',
      GOPROXY: 'off',
      GOCACHE: process.env['GOCACHE'] ?? join(tmpdir(), 'differential-go-cache'),
    },
    encoding: 'utf8',
  })
  if (built.status !== 0) throw new Error(`go build: ${built.stderr}`)
  const fixed = [
    frame('R', pki.root.certificate.der),
    ...pki.intermediates.map(({ certificate }) => frame('I', certificate.der)),
    frame('F', pki.leaf.der),
  ]
  return {
    judge: (cases) => {
      const input = Buffer.concat([
        ...fixed,
        ...cases.map(({ question, der }) => frame(letters[question], der)),
      ])
      const { status, stdout, stderr } = spawnSync(program, [host, String(time.getTime() / 1000)], {
        input,
        encoding: 'utf8',
        maxBuffer: 1 << 28,
      })
      if (status !== 0) throw new Error(`go: ${stderr}`)
      return stdout
        .split('\n')
        .slice(0, cases.length)
        .map((line): Opinion =>
          line === 'ok' ? { accepted: true, reason: '' } : { accepted: false, reason: line },
        )
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  }
}

function frame(letter: string, der: Uint8Array): Buffer {
  const head = Buffer.alloc(5)
  head.write(letter, 'latin1')
  head.writeUInt32BE(der.length, 1)
  return Buffer.concat([head, der])
}

const letters: Readonly<Record<Question, string>> = {
  leaf: 'c',
  server: 's',
  issuer: 'i',
  request: 'q',
  list: 'l',
}
