// OpenSSL's opinion, by its command line: `verify` takes many files at once; `req`, `crl` and other
// intermediates need a call each, made by one shell.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Case, Judge, Opinion, Question } from './opinion.ts'
import { host, time } from './pki.ts'
import type { FixedPki } from './pki.ts'

export function opensslJudge(pki: FixedPki): Judge {
  return (cases) => {
    const folder = mkdtempSync(join(tmpdir(), 'differential-'))
    try {
      writeFileSync(join(folder, 'root.pem'), pki.root.certificate.toPem())
      writeFileSync(
        join(folder, 'intermediates.pem'),
        pki.intermediates.map(({ certificate }) => certificate.toPem()).join(''),
      )
      writeFileSync(join(folder, 'leaf.pem'), pki.leaf.toPem())
      const opinions = new Map<string, Opinion>()
      for (const question of questions) {
        const files = cases.flatMap((one, at) => (one.question === question ? [write(folder, one, at)] : []))
        if (files.length > 0)
          for (const [file, opinion] of ask(question, files, folder)) opinions.set(file, opinion)
      }
      return cases.map((_, at) => opinions.get(fileName(at)) ?? { accepted: false, reason: 'unreadable' })
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

function ask(question: Question, files: readonly string[], cwd: string): Map<string, Opinion> {
  const trust = ['-no-CApath', '-no-CAstore', '-CAfile', 'root.pem']
  const at = ['-policy_check', '-attime', String(time.getTime() / 1000)]
  switch (question) {
    case 'leaf':
      return readVerify(
        run('openssl', ['verify', ...trust, ...at, '-untrusted', 'intermediates.pem', ...files], cwd),
      )
    case 'server':
      return readVerify(
        run(
          'openssl',
          [
            'verify',
            ...trust,
            ...at,
            '-untrusted',
            'intermediates.pem',
            '-purpose',
            'sslserver',
            '-verify_hostname',
            host,
            ...files,
          ],
          cwd,
        ),
      )
    case 'issuer':
      return readEach(
        run(
          'sh',
          ['-c', each(`openssl verify ${[...trust, ...at].join(' ')} -untrusted $f leaf.pem`, files)],
          cwd,
        ).all,
        /^leaf\.pem: OK$/m,
      )
    case 'request':
      return readEach(
        run('sh', ['-c', each('openssl req -in $f -verify -noout', files)], cwd).all,
        /verify OK/,
      )
    case 'list':
      return readEach(
        run('sh', ['-c', each(`openssl crl -in $f ${trust.join(' ')} -noout`, files)], cwd).all,
        /verify OK/,
      )
  }
}

function each(command: string, files: readonly string[]): string {
  return `for f in ${files.join(' ')}; do echo "@$f"; ${command} 2>&1; done`
}

/**
 * `verify` prints accepted files on its standard output; an error comes in two lines, the reason and the
 * file, on the other.
 */
function readVerify({ out, err }: Output): Map<string, Opinion> {
  const opinions = new Map<string, Opinion>()
  for (const [, file] of out.matchAll(/^(case-\d+\.pem): OK$/gm))
    opinions.set(file!, { accepted: true, reason: '' })
  let reason = ''
  for (const line of err.split('\n')) {
    const found = /^error \d+ at \d+ depth lookup: ?(.*)$/.exec(line)
    if (found !== null) reason = found[1]!
    const file = /^error (case-\d+\.pem): verification failed$/.exec(line)?.[1]
    if (file !== undefined) opinions.set(file, { accepted: false, reason })
  }
  return opinions
}

function readEach(text: string, good: RegExp): Map<string, Opinion> {
  return new Map(
    text
      .split(/^@(?=case-)/m)
      .slice(1)
      .map((part) => {
        const end = part.indexOf('\n')
        const answer = part.slice(end + 1)
        const lines = answer
          .trim()
          .split('\n')
          .map((line) => line.replace(/^[0-9A-F]+:error:[0-9A-F]+:/, '')) // the first is the cause
        const reason =
          /depth lookup: ?(.*)$/m.exec(answer)?.[1] ??
          lines.find((line) => /routines|failure|rror/.test(line)) ??
          lines.at(-1) ??
          ''
        return [
          part.slice(0, end),
          good.test(answer) ? { accepted: true, reason: '' } : { accepted: false, reason },
        ]
      }),
  )
}

interface Output {
  readonly out: string
  readonly err: string
  readonly all: string
}

function run(command: string, args: readonly string[], cwd: string): Output {
  const { stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'latin1', maxBuffer: 1 << 28 })
  if (error !== undefined) throw error
  return { out: stdout, err: stderr, all: stdout }
}

function write(folder: string, { question, der }: Case, at: number): string {
  const name = fileName(at)
  const body = Buffer.from(der)
    .toString('base64')
    .replace(/(.{64})/g, '$1\n')
    .trimEnd()
  writeFileSync(
    join(folder, name),
    `-----BEGIN ${labels[question]}-----\n${body}\n-----END ${labels[question]}-----\n`,
  )
  return name
}

function fileName(at: number): string {
  return `case-${at}.pem`
}

const labels: Readonly<Record<Question, string>> = {
  leaf: 'CERTIFICATE',
  server: 'CERTIFICATE',
  issuer: 'CERTIFICATE',
  request: 'CERTIFICATE REQUEST',
  list: 'X509 CRL',
}
const questions = Object.keys(labels) as readonly Question[]
