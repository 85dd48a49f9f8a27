// Text from outside, made safe for one line of a message or a log.

/**
 * Escapes characters that would begin a line, move a terminal's cursor or change the direction of text, and
 * lone surrogates.
 */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu,
    (found) => `\\u{${(found.codePointAt(0) as number).toString(16)}}`,
  )
}

/** Does not cut between the halves of a surrogate pair. */
export function shortened(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1).replace(/[\uD800-\uDBFF]$/, '')}…`
}
