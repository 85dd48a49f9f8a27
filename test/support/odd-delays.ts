// What is no time to wait: a timer of NaN, Infinity or a text fires at once, and one below zero too.

export const oddDelays: readonly number[] = [
  NaN,
  -1,
  Infinity,
  -Infinity,
  2 ** 31,
  ...(['5', '', null, true, {}] as readonly unknown[] as readonly number[]),
]
