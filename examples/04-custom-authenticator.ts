// Your own authenticator: callers prove themselves by a password that rotates, and get the identity that goes
// with it.

import { timingSafeEqual, createHash } from 'node:crypto'
import { CompositeAuthenticator, SpiffeId } from 'spiffe-pki'
import type { Authenticator, Caller } from 'spiffe-pki'
import { authenticationError, requireCaller } from 'spiffe-pki/auth'
import type { AuthenticationRequest } from 'spiffe-pki/auth'

class BootstrapAuthenticator implements Authenticator {
  readonly name = 'bootstrap'
  readonly #digest: Buffer
  readonly #id: SpiffeId

  constructor(options: { readonly password: string; readonly id: string }) {
    this.#digest = createHash('sha256').update(options.password).digest()
    this.#id = SpiffeId.parse(options.id)
  }

  async authenticate(request: AuthenticationRequest): Promise<Caller | undefined> {
    const [password, ...others] = request.header('x-bootstrap')
    // No credential of this kind: the next authenticator is asked
    if (password === undefined) return undefined
    if (others.length > 0) throw authenticationError('several x-bootstrap headers')
    const digest = createHash('sha256').update(password).digest()
    if (!timingSafeEqual(digest, this.#digest)) throw authenticationError('a wrong bootstrap password')
    return { identities: [this.#id], credential: 'bootstrap', claims: { firstContact: true } }
  }
}

const bootstrap = new BootstrapAuthenticator({ password: 'correct horse', id: 'spiffe://example.org/new' })
const authenticator = new CompositeAuthenticator({ authenticators: [bootstrap] })

for (const headers of [{ 'x-bootstrap': 'correct horse' }, { 'x-bootstrap': 'guess' }, {}] as Record<
  string,
  string
>[]) {
  const request: AuthenticationRequest = {
    transport: 'example',
    peer: undefined,
    tls: undefined,
    signal: new AbortController().signal,
    header: (name) => (headers[name] === undefined ? [] : [headers[name]]),
  }
  await requireCaller(authenticator, request).then(
    (caller) => console.log('caller:', caller.identities.join(', ')),
    (error: unknown) => console.log('denied:', (error as Error).message),
  )
}
