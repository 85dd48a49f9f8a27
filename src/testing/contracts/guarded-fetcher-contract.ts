// The contract of guarded fetchers: whole responses within the limits, and an error code for all else.

import type { GuardedFetcher } from '../../runtime/index.ts'
import { holds, refused, same } from './contract-case.ts'
import type { ContractCase } from './contract-case.ts'

/** The tested implementation. @inline */
export interface GuardedFetcherContractOptions {
  /** Creates the fetcher; each case opens it and disposes of it. */
  readonly open: () => GuardedFetcher | Promise<GuardedFetcher>
  /** The URL of a document of at least two octets, with a media type, which the fetcher may fetch. */
  readonly url: string
  /** More URLs that it must not fetch, such as those of private addresses. Default: none. */
  readonly refused?: readonly string[] | undefined
}

/** The cases of `GuardedFetcher`. */
export function guardedFetcherContract(options: GuardedFetcherContractOptions): readonly ContractCase[] {
  const { open, url } = options
  const tests: Readonly<Record<string, (fetcher: GuardedFetcher) => Promise<void>>> = {
    'returns status, headers by lower-case name, the whole body and the URL': async (fetcher) => {
      const response = await fetcher.fetch(url)
      same(response.status, 200, 'the status')
      holds(response.body instanceof Uint8Array && response.body.length > 1, 'the body is empty')
      holds(URL.canParse(response.url), `the URL is ${JSON.stringify(response.url)}`)
      const names = Object.keys(response.headers)
      holds(names.includes('content-type'), 'the content type is absent')
      same(
        names.filter((name) => name !== name.toLowerCase()),
        [],
        'names of headers in upper case',
      )
    },
    'refuses a response above the maxBytes of the request': async (fetcher) => {
      const { body } = await fetcher.fetch(url)
      await refused('ERR_LIMIT_EXCEEDED', () => fetcher.fetch(url, { maxBytes: body.length - 1 }))
      same((await fetcher.fetch(url, { maxBytes: body.length })).body, body, 'the body at the limit')
    },
    'refuses a response of another media type than the request allows': async (fetcher) => {
      const { headers } = await fetcher.fetch(url)
      const [type = ''] = (headers['content-type'] ?? '').toLowerCase().split(';', 1)
      await refused('ERR_FETCH_FAILED', () => fetcher.fetch(url, { contentTypes: ['application/none'] }))
      const contentTypes = ['application/none', type.trim()]
      same((await fetcher.fetch(url, { contentTypes })).status, 200, 'the status with its own type')
    },
    'refuses what is not an allowed URL, before anything is sent': async (fetcher) => {
      const texts = ['', 'keys', '/keys', 'file:///etc/hostname', 'data:text/plain,keys', 'ftp://192.0.2.1/']
      for (const text of [...texts, ...(options.refused ?? [])])
        await refused('ERR_FETCH_REFUSED', () => fetcher.fetch(text))
    },
    'ends an aborted fetch, before and after it began': async (fetcher) => {
      await refused('ERR_ABORTED', () => fetcher.fetch(url, { signal: AbortSignal.abort() }))
      const controller = new AbortController()
      const answer = fetcher.fetch(url, { signal: controller.signal })
      controller.abort()
      await refused('ERR_ABORTED', answer)
      same((await fetcher.fetch(url)).status, 200, 'the status of the next fetch')
    },
    'fetches concurrently, and an abort ends its own fetch only': async (fetcher) => {
      const controller = new AbortController()
      const calls = [
        fetcher.fetch(url, { signal: controller.signal }),
        fetcher.fetch(url),
        fetcher.fetch(url),
      ]
      controller.abort()
      const [aborted, ...others] = await Promise.allSettled(calls)
      await refused('ERR_ABORTED', () => valueOf(aborted))
      for (const other of others) same(valueOf(other)?.status, 200, 'the status of another fetch')
    },
    'returns a body of its own to each caller': async (fetcher) => {
      const [first, second] = [await fetcher.fetch(url), await fetcher.fetch(url)]
      const before = Uint8Array.from(second.body)
      first.body.fill(0)
      same(second.body, before, 'the body of the second response')
      same((await fetcher.fetch(url)).body, before, 'the body of the third response')
    },
    'is closed when it is disposed of: fetches end, and later ones are refused': async (fetcher) => {
      const [answer] = await Promise.allSettled([fetcher.fetch(url), fetcher[Symbol.asyncDispose]()])
      await refused('ERR_CLOSED', () => valueOf(answer))
      await refused('ERR_CLOSED', () => fetcher.fetch(url))
      await fetcher[Symbol.asyncDispose]()
    },
  }
  return Object.entries(tests).map(([name, test]) => ({
    name,
    run: async () => {
      await using fetcher = await open()
      await test(fetcher)
    },
  }))
}

/** The value of a settled call, or its error again. */
function valueOf<T>(answer: PromiseSettledResult<T> | undefined): T | undefined {
  if (answer?.status === 'rejected') throw answer.reason
  return answer?.value
}
