// SIGKILL of a process that writes certificate files: a whole set is there each time, and it can go on.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { Certificate, PublicKey } from '../../src/x509/index.ts'
import { importPrivateKey } from '../../src/keys/index.ts'
import { bundled } from '../support/bundled.ts'
import { temporaryFolders } from '../support/temporary.ts'

const newFolder = temporaryFolders('sink-kills-')

it('a whole set after each of 12 kills at moments that nobody chose', async () => {
  const writer = fileURLToPath(bundled('test/support/sink-writer.ts'))
  const directory = newFolder()
  const serials = new Set<string>()
  for (let kill = 0; kill < 12; kill++) {
    const child = spawn(process.execPath, [writer, directory], { stdio: ['ignore', 'pipe', 'inherit'] })
    // After so many renewals, in the middle of some write.
    let renewals = 0
    for await (const octets of child.stdout) {
      renewals += (octets as Uint8Array).length
      if (renewals > kill * 3) child.kill('SIGKILL')
    }
    if (child.signalCode === null && child.exitCode === null) await once(child, 'exit')
    expect(child.signalCode).toBe('SIGKILL')
    const [certificate, key, roots] = ['cert-chain.pem', 'key.pem', 'root-cert.pem'].map((name) =>
      readFileSync(join(directory, name), 'utf8'),
    )
    const [leaf] = Certificate.listFromPem(certificate!)
    expect(PublicKey.from(importPrivateKey(key!)).equals(leaf!.publicKey)).toBe(true)
    expect(Certificate.listFromPem(roots!)).toHaveLength(1)
    serials.add(leaf!.serialNumber)
  }
  expect(serials.size).toBe(12)
}, 120_000)
