// Limits the memory of the labels of one metric in a registry: the length of values, and the number of sets.

import { PkiError } from '../../errors/index.ts'

/** The sets of label values that one metric has. */
export class LabelLimit {
  readonly #names: readonly string[]
  readonly #maxLabelSets: number
  readonly #maxLabelLength: number
  readonly #known = new Set<string>()

  constructor(
    names: readonly string[],
    { maxLabelSets, maxLabelLength }: { readonly maxLabelSets: number; readonly maxLabelLength: number },
  ) {
    this.#names = names
    this.#maxLabelSets = maxLabelSets
    this.#maxLabelLength = maxLabelLength
  }

  /**
   * A value for every label of the metric. A missing value is empty, and a long one is cut. Above the limit
   * of sets every label has the value `other`, so that callers cannot fill the registry.
   *
   * @throws ERR_INVALID_ARGUMENT for a label that the metric does not have
   */
  limit(labels: Readonly<Record<string, string>>): Record<string, string> {
    for (const name in labels)
      if (!this.#names.includes(name))
        throw new PkiError(
          'ERR_INVALID_ARGUMENT',
          `${JSON.stringify(name.slice(0, 64))} is not a label of the metric; its labels are ` +
            this.#names.join(', '),
        )
    const values = this.#names.map((name) => textOf(labels[name], this.#maxLabelLength))
    const key = JSON.stringify(values)
    if (!this.#known.has(key)) {
      if (this.#known.size >= this.#maxLabelSets) return this.#set(values.map(() => 'other'))
      this.#known.add(key)
    }
    return this.#set(values)
  }

  #set(values: readonly string[]): Record<string, string> {
    return Object.fromEntries(this.#names.map((name, at) => [name, values[at] ?? '']))
  }
}

/** Removes control characters and lone surrogates, which the exposition format does not allow. */
function textOf(value: unknown, maxLength: number): string {
  const text = typeof value === 'string' ? value : ''
  return text
    .slice(0, maxLength)
    .toWellFormed()
    .replace(/\p{Cc}/gu, '\uFFFD')
}
