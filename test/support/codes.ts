// Errors are told apart by their codes, never by their texts.

import { expect } from 'vitest'

/** Whatever has this code: an error, or a line of a log. */
export const code = (wanted: string): unknown => expect.objectContaining({ code: wanted })
