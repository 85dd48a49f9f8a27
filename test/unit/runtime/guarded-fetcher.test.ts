// The guarded fetcher against servers that hang, drip, flood, redirect and move.

import { once } from 'node:events'
import { createServer } from 'node:https'
import { createServer as createTcpServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createGuardedFetcher } from '../../../src/runtime/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { code } from '../../support/codes.ts'
import { httpEndpoint, loopback } from '../../support/http-endpoint.ts'
import { testPki, tlsCredential } from '../../support/pki.ts'

describe('addresses', () => {
  it.each([
    'https://127.0.0.1/',
    'https://127.1/',
    'https://0x7f.1/',
    'https://2130706433/',
    'https://017700000001/',
    'https://0.0.0.0/',
    'https://10.1.2.3/',
    'https://172.31.255.255/',
    'https://192.168.0.1/',
    'https://100.64.0.1/',
    'https://100.100.100.200/',
    'https://169.254.169.254/latest/meta-data/',
    'https://168.63.129.16/',
    'https://198.18.0.1/',
    'https://224.0.0.1/',
    'https://255.255.255.255/',
    'https://[::]/',
    'https://[::1]/',
    'https://[::127.0.0.1]/',
    'https://[::ffff:169.254.169.254]/',
    'https://[::ffff:a9fe:a9fe]/',
    'https://[::ffff:10.0.0.1]/',
    'https://[64:ff9b::a9fe:a9fe]/',
    'https://[64:ff9b::10.0.0.1]/',
    'https://[64:ff9b:1::808:808]/',
    'https://[2002:7f00:1::]/',
    'https://[2001::1]/',
    'https://[2001:db8::1]/',
    'https://[fe80::1]/',
    'https://[fec0::1]/',
    'https://[fc00::1]/',
    'https://[fd00:ec2::254]/',
    'https://[ff02::1]/',
  ])('%s is refused before anything is sent', async (url) => {
    await using fetcher = createGuardedFetcher({ timeoutMs: 1000 })
    await expect(fetcher.fetch(url)).rejects.toThrow(code('ERR_FETCH_REFUSED'))
  })

  it.each([
    [['127.0.0.1'], 'ERR_FETCH_REFUSED'],
    [['93.184.215.14', '169.254.169.254'], 'ERR_FETCH_REFUSED'],
    [['::ffff:127.0.0.1'], 'ERR_FETCH_REFUSED'],
    [['fe80::1%eth0'], 'ERR_FETCH_REFUSED'],
    [['not an address'], 'ERR_FETCH_REFUSED'],
    [[], 'ERR_FETCH_FAILED'],
  ])('a name with the addresses %j: %s', async (addresses, expected) => {
    await using fetcher = createGuardedFetcher({ resolve: async () => addresses })
    await expect(fetcher.fetch('https://keys.example/')).rejects.toThrow(code(expected))
  })

  it('a name that moves between two requests is refused at the second connection', async () => {
    const { port, requests } = await httpEndpoint((_, response) => {
      response.setHeader('connection', 'close').end('{}')
    })
    const answers = ['127.0.0.1', '127.0.0.2']
    await using fetcher = createGuardedFetcher({
      allowedNetworks: ['127.0.0.1/32'],
      dangerouslyAllowHttp: true,
      resolve: async () => [answers.shift()!],
    })
    expect((await fetcher.fetch(`http://rebinding.example:${port}/`)).status).toBe(200)
    await expect(fetcher.fetch(`http://rebinding.example:${port}/`)).rejects.toThrow(
      code('ERR_FETCH_REFUSED'),
    )
    expect(requests).toHaveLength(1)
  })

  it.each(['10.0.0.0/33', '10.1.2.3/8', '', ' ', ',', 'localhost', '::1/129', '10.0.0.0/-1', '1.2.3.4/08'])(
    'allowedNetworks %j is refused',
    (network) => {
      expect(() => createGuardedFetcher({ allowedNetworks: [network] })).toThrow(code('ERR_INVALID_ARGUMENT'))
    },
  )
})

describe('a URL', () => {
  it.each([
    'http://keys.example/',
    'file:///etc/passwd',
    'data:application/json,{}',
    'https://user:secret@keys.example/',
    'https://keys.example/#x',
    '/keys',
    '',
    `https://keys.example/${'a'.repeat(5000)}`,
    undefined as unknown as string,
    null as unknown as string,
    {} as unknown as string,
  ])('%j is refused', async (url) => {
    await using fetcher = createGuardedFetcher({ resolve: async () => ['127.0.0.1'] })
    await expect(fetcher.fetch(url)).rejects.toThrow(code('ERR_FETCH_REFUSED'))
  })
})

describe('redirects', () => {
  it.each(['http://169.254.169.254/', '/elsewhere', 'https://keys.example/'])(
    'to %s: none is followed',
    async (location) => {
      const { origin, requests } = await httpEndpoint((_, response) => {
        response.writeHead(302, { location }).end()
      })
      await using fetcher = createGuardedFetcher(loopback)
      await expect(fetcher.fetch(`${origin}/keys`)).rejects.toThrow(code('ERR_FETCH_REFUSED'))
      expect(requests).toHaveLength(1)
    },
  )

  it('same-origin follows three to the same origin, and none elsewhere', async () => {
    const { origin, requests } = await httpEndpoint(({ url }, response) => {
      const step = Number(url!.slice(2))
      if (url!.startsWith('/f')) response.writeHead(307, { location: 'http://169.254.169.254/' }).end()
      else if (step === 0) response.end('there')
      else response.writeHead(302, { location: `/s${step - 1}` }).end()
    })
    await using fetcher = createGuardedFetcher({ ...loopback, redirects: 'same-origin' })
    const answer = await fetcher.fetch(`${origin}/s3`)
    expect(answer.url).toBe(`${origin}/s0`)
    expect(new TextDecoder().decode(answer.body)).toBe('there')
    for (const path of ['/s4', '/f'])
      await expect(fetcher.fetch(origin + path)).rejects.toThrow(code('ERR_FETCH_REFUSED'))
    requests.length = 0
    const post = fetcher.fetch(`${origin}/s1`, { method: 'POST', body: new Uint8Array(1) })
    await expect(post).rejects.toThrow(code('ERR_FETCH_REFUSED'))
    expect(requests).toHaveLength(1)
  })
})

describe('limits', () => {
  it('an endpoint that hangs, and one that sends a byte now and then, are left at the deadline', async () => {
    const { origin } = await httpEndpoint(({ url }, response) => {
      if (url === '/drip') response.write('{')
    })
    const clock = new FakeClock()
    await using fetcher = createGuardedFetcher({ ...loopback, clock })
    for (const path of ['/hang', '/drip']) {
      const answer = fetcher.fetch(origin + path)
      clock.advance(4_999)
      expect(clock.pending).toBe(1)
      clock.advance(1)
      await expect(answer).rejects.toThrow(code('ERR_TIMEOUT'))
      expect(clock.pending).toBe(0)
    }
  })

  it('an endpoint that changes the protocol has failed at once', async () => {
    const server = createTcpServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n')
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    await using fetcher = createGuardedFetcher({ ...loopback, clock: new FakeClock() })
    const answer = fetcher.fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
    await expect(answer).rejects.toThrow(code('ERR_FETCH_FAILED'))
  })

  it('a resolver that never answers is left at the deadline', async () => {
    const clock = new FakeClock()
    await using fetcher = createGuardedFetcher({ clock, resolve: () => new Promise(() => undefined) })
    const answer = fetcher.fetch('https://keys.example/')
    clock.advance(5_000)
    await expect(answer).rejects.toThrow(code('ERR_TIMEOUT'))
  })

  it('a bearer token that never comes is waited for until the deadline', async () => {
    const clock = new FakeClock()
    await using fetcher = createGuardedFetcher({ clock, bearerToken: () => new Promise(() => undefined) })
    const answer = fetcher.fetch('https://keys.example/')
    clock.advance(5_000)
    await expect(answer).rejects.toThrow(code('ERR_TIMEOUT'))
  })

  it.each([
    ['said', { 'content-length': String(1024 ** 3) }],
    ['not said', {}],
  ])('a gigabyte, %s, is left after the limit', async (_, headers) => {
    let sent = 0
    const { origin } = await httpEndpoint((_request, response) => {
      response.writeHead(200, headers)
      const part = Buffer.alloc(64 * 1024)
      const more = (): void => {
        while (!response.destroyed && sent < 1024 ** 3) {
          sent += part.length
          if (!response.write(part)) return void response.once('drain', more)
        }
      }
      more()
    })
    await using fetcher = createGuardedFetcher(loopback)
    await expect(fetcher.fetch(origin)).rejects.toThrow(code('ERR_LIMIT_EXCEEDED'))
    expect(sent).toBeLessThan(64 * 1024 ** 2)
  })

  it('a request may ask for less than the fetcher allows, and not for more', async () => {
    const { origin } = await httpEndpoint((_, response) => response.end('x'.repeat(100)))
    await using fetcher = createGuardedFetcher({ ...loopback, maxBytes: 100 })
    expect((await fetcher.fetch(origin, { maxBytes: 1000 })).body).toHaveLength(100)
    await expect(fetcher.fetch(origin, { maxBytes: 99 })).rejects.toThrow(code('ERR_LIMIT_EXCEEDED'))
  })

  it.each([
    ['HTML', { 'content-type': 'text/html; charset=utf-8' }, 'ERR_FETCH_FAILED'],
    ['no content type', {}, 'ERR_FETCH_FAILED'],
    ['gzip', { 'content-type': 'application/json', 'content-encoding': 'gzip' }, 'ERR_FETCH_FAILED'],
    ['fewer bytes', { 'content-type': 'application/json', 'content-length': '10' }, 'ERR_FETCH_FAILED'],
  ])('%s is no answer', async (_, headers, expected) => {
    const { origin } = await httpEndpoint((_request, response) => {
      response.writeHead(200, headers).write('{}')
      setImmediate(() => response.destroy())
    })
    await using fetcher = createGuardedFetcher(loopback)
    const answer = fetcher.fetch(origin, { contentTypes: ['application/json'] })
    await expect(answer).rejects.toThrow(code(expected))
  })

  it('its signal and its owner end a request; a closed fetcher sends nothing', async () => {
    const { origin, requests } = await httpEndpoint(() => undefined)
    const fetcher = createGuardedFetcher(loopback)
    const gone = new AbortController()
    const one = fetcher.fetch(origin, { signal: gone.signal })
    gone.abort()
    await expect(one).rejects.toThrow(code('ERR_ABORTED'))
    await expect(fetcher.fetch(origin, { signal: gone.signal })).rejects.toThrow(code('ERR_ABORTED'))
    const two = fetcher.fetch(origin)
    await fetcher[Symbol.asyncDispose]()
    await expect(two).rejects.toThrow(code('ERR_CLOSED'))
    const before = requests.length
    await expect(fetcher.fetch(origin)).rejects.toThrow(code('ERR_CLOSED'))
    expect(requests.length).toBe(before)
  })

  it.each([
    { maxBytes: 0 },
    { timeoutMs: Number.NaN },
    { redirects: 'all' as 'none' },
    { maxbytes: 1 } as object,
    { caCertificates: undefined },
    { bearerToken: undefined },
  ] as object[])('the options %j are refused', (options) => {
    expect(() => createGuardedFetcher(options)).toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})

describe('TLS and credentials', () => {
  it('trusts the given roots alone; the bearer token is asked for each time', async () => {
    const pki = await testPki()
    const { certificateChain, privateKey } = await tlsCredential(pki)
    const tokens: (string | undefined)[] = []
    const server = createServer({ cert: certificateChain, key: privateKey }, (request, response) => {
      tokens.push(request.headers.authorization)
      response.end('{}')
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const url = `https://localhost:${(server.address() as AddressInfo).port}/`
    const options = { allowedNetworks: ['127.0.0.0/8'], resolve: async () => ['127.0.0.1'] }
    let rotation = 0
    await using fetcher = createGuardedFetcher({
      ...options,
      caCertificates: pki.root.toPem(),
      bearerToken: async () => `token-${++rotation}`,
    })
    await fetcher.fetch(url)
    await fetcher.fetch(url)
    expect(tokens).toEqual(['Bearer token-1', 'Bearer token-2'])
    await using strict = createGuardedFetcher(options)
    await expect(strict.fetch(url)).rejects.toThrow(code('ERR_FETCH_FAILED'))
    expect(tokens).toHaveLength(2)
  })
})
