// Logins that a token refuses: which PIN is sent again after a repair, and what the operator reads.

import { describe, expect, it } from 'vitest'
import { code } from '../../../support/codes.ts'
import { CkrError, data, fakeSetup, signsRight, turns } from '../../../support/fake-token.ts'

describe('a token whose user PIN is in a state that refuses every PIN', () => {
  it.each([
    ['CKR_PIN_EXPIRED', 0xa3, /has expired.*--change-pin/],
    ['CKR_PIN_LOCKED', 0xa4, /is locked.*--init-pin/],
    ['CKR_USER_PIN_NOT_INITIALIZED', 0x102, /no user PIN yet.*--init-pin/],
  ])('%s: the state is named with the repair, and the PIN is sent after it', async (name, value, words) => {
    const { library, load, open } = fakeSetup()
    const module = await load()
    let refuses = true
    library.onCall = (called) => {
      if (refuses && called === 'C_Login') throw new CkrError(value)
    }
    await expect(open({ module })).rejects.toThrow(code('ERR_HSM_PIN'))
    await expect(open({ module })).rejects.toThrow(words)
    await expect(open({ module })).rejects.toThrow(new RegExp(`^token "ca": .*${name}`))
    refuses = false
    await using keys = await open({ module })
    await signsRight(await keys.generateKey('issuing', 'P-256'))
  })

  it('locked, by its flags: the repair is named and nothing is sent', async () => {
    const { token, open } = fakeSetup()
    token.wrongPins = 3
    await expect(open()).rejects.toThrow(/^token "ca": the user PIN is locked.*--init-pin/)
    expect(token.sentPins).toEqual([])
  })

  it('locked by this very PIN, by its flags: the PIN is wrong and not sent again', async () => {
    const { token, load, open } = fakeSetup()
    const module = await load()
    Object.assign(token, { wrongPins: 2, wrongPinAnswer: 0xa4 })
    await expect(open({ module, pin: () => '0000', useFinalPinTry: true })).rejects.toThrow(/refused the PIN/)
    token.wrongPins = 0
    await expect(open({ module, pin: () => '0000' })).rejects.toThrow(/refused this PIN before/)
    expect(token.sentPins).toEqual(['0000'])
  })
})

it('a wrong PIN: the message names the token and the next step', async () => {
  const { load, open } = fakeSetup()
  const module = await load()
  await expect(open({ module, pin: () => '0000' })).rejects.toThrow(
    /^token "ca": the token refused the PIN with CKR_PIN_INCORRECT.*return another one/,
  )
  await expect(open({ module, pin: () => '0000' })).rejects.toThrow(/start the process again/)
})

describe('a PIN with more in it than anybody types', () => {
  it.each([
    ['a line feed', '1234\n', /ends in a line feed/],
    ['a carriage return and a line feed', '1234\r\n', /ends in a line feed/],
    ['a carriage return', '1234\r', /ends in a line feed/],
    ['a line feed, as octets', Buffer.from('1234\n'), /ends in a line feed/],
    ['a second line', '1234\n5678', /several lines/],
    ['the zeros of UTF-16', Buffer.from('1234', 'utf16le'), /code 0/],
    ['the zeros of UTF-16, as text', '1\x002\x003\x004\x00', /code 0/],
    ['a byte order mark', '\uFEFF1234', /byte order mark/],
    ['a byte order mark, as octets', Buffer.from('\uFEFF1234'), /byte order mark/],
  ])('%s: is not sent, and not quoted', async (_what, pin, words) => {
    const { token, open } = fakeSetup()
    const refused = open({ pin: () => pin })
    await expect(refused).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    await expect(refused).rejects.toThrow(words)
    await expect(refused).rejects.not.toThrow(/1234/)
    expect(token.sentPins).toEqual([])
  })
})

describe('a PIN source that never answers', () => {
  const never = () => new Promise<string>(() => undefined)

  it('is given up, and the token is connected again when it answers the next time', async () => {
    const { token, library, clock, open } = fakeSetup()
    let answers = true
    await using keys = await open({ pin: () => (answers ? '1234' : never()) })
    const signer = await keys.generateKey('issuing', 'P-256')
    token.remove()
    answers = false
    await expect(signer.sign(data)).rejects.toThrow(code('ERR_HSM_UNAVAILABLE'))
    token.present = true
    clock.advance(5_000)
    await turns()
    answers = true
    for (let i = 0; i < 30; i++) {
      clock.advance(5_000)
      await turns()
    }
    await signsRight(signer)
    expect([keys.health, library.misuse]).toEqual(['ready', []])
  })

  it('ends the start of a manager, and a PIN that comes late is overwritten', async () => {
    const { token, library, clock, open } = fakeSetup()
    const pin = Buffer.from('1234')
    let answer = (): void => undefined
    const opened = open({ pin: () => new Promise((resolve) => (answer = () => resolve(pin))) })
    const outcome = expect(opened).rejects.toThrow(/^token "ca": the PIN source did not answer for 120000 ms/)
    await turns()
    clock.advance(120_000)
    await outcome
    answer()
    await turns()
    expect([pin.every((octet) => octet === 0), token.sentPins, library.openSessions]).toEqual([true, [], 0])
  })
})
