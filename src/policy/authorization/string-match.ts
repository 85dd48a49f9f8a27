// Istio's match of strings: exact, by prefix (`abc*`), by suffix (`*abc`), by presence (`*`).

/** Whether a value matches. */
export type StringTest = (value: string) => boolean

/** A test, or the fault of its text. */
export function compileStringMatch(text: string): StringTest | string {
  if (text === '*') return (value) => value !== ''
  const star = text.indexOf('*')
  if (star < 0) return (value) => value === text
  if (text.indexOf('*', star + 1) >= 0 || (star > 0 && star < text.length - 1))
    return `${JSON.stringify(text)} has a * that is neither its first nor its last character`
  if (star === 0) {
    const suffix = text.slice(1)
    return (value) => value.endsWith(suffix)
  }
  const prefix = text.slice(0, -1)
  return (value) => value.startsWith(prefix)
}

/** Like `compileStringMatch`, ignoring case, for hosts. */
export function compileHostMatch(text: string): StringTest | string {
  const test = compileStringMatch(text.toLowerCase())
  return typeof test === 'string' ? test : (value) => test(value.toLowerCase())
}

/** Whether the text is one whole value and no pattern. */
export function isExact(text: string): boolean {
  return !text.includes('*')
}
