// Median and median absolute deviation of a stream of positive values, in fixed memory: a histogram over
// their logarithms.

/** Eight buckets for each doubling, from 2^-8 to 2^24. */
const bucketsPerOctave = 8
const lowestOctave = -8
const bucketCount = 256
/** At this many values every count is halved, so that old values lose weight. */
const maxTotal = 1_000_000
/** MAD × this is the standard deviation of normal values. */
const normal = 1.4826

/** The distance of a value from the others. */
export class RobustScale {
  readonly #counts = new Float64Array(bucketCount)
  #total = 0
  #dirty = true
  #median = 0
  #deviation = 0

  /** The number of counted values, after halving. */
  get total(): number {
    return this.#total
  }

  add(value: number): void {
    const at = bucketOf(value)
    this.#counts[at] = (this.#counts[at] as number) + 1
    this.#total++
    this.#dirty = true
    if (this.#total < maxTotal) return
    this.#total = 0
    for (let i = 0; i < bucketCount; i++) {
      this.#counts[i] = (this.#counts[i] as number) / 2
      this.#total += this.#counts[i] as number
    }
  }

  /**
   * z = (log2 x − median) / max(1.4826 × MAD, 1/8), over the logarithms of all values. The floor is one
   * bucket: if nearly all values are equal, a value in the next bucket is not an outlier.
   */
  score(value: number): number {
    if (this.#dirty) this.#measure()
    return (bucketOf(value) - this.#median) / Math.max(normal * this.#deviation, 1)
  }

  /** In buckets. */
  #measure(): void {
    const half = this.#total / 2
    let below = 0
    let median = 0
    for (; median < bucketCount - 1; median++) {
      below += this.#counts[median] as number
      if (below >= half) break
    }
    let within = this.#counts[median] as number
    let deviation = 0
    while (within < half && deviation < bucketCount) {
      deviation++
      within += (this.#counts[median - deviation] ?? 0) + (this.#counts[median + deviation] ?? 0)
    }
    this.#median = median
    this.#deviation = deviation
    this.#dirty = false
  }
}

function bucketOf(value: number): number {
  const at = Math.floor((Math.log2(Math.max(value, Number.MIN_VALUE)) - lowestOctave) * bucketsPerOctave)
  return Math.min(Math.max(at, 0), bucketCount - 1)
}
