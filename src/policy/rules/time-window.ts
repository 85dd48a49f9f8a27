// When a rule applies: days of the week and hours, in a named time zone.

/** A part of the week. */
export interface TimeWindow {
  /** `mon` to `sun`. Default: every day. */
  readonly days?: readonly string[] | undefined
  /** `HH:MM`, inclusive. Default `00:00`. */
  readonly from?: string | undefined
  /** `HH:MM`, exclusive; if it is before `from`, the window spans midnight. Default `24:00`. */
  readonly to?: string | undefined
  /** A name of the IANA database. Default `UTC`. */
  readonly timeZone?: string | undefined
}

/** Whether a moment is in the window. */
export type TimeTest = (nowMs: number) => boolean

export const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const

/** @returns the fault, as text, if it is not a valid window */
export function compileTimeWindow({
  days,
  from = '00:00',
  to = '24:00',
  timeZone = 'UTC',
}: TimeWindow): TimeTest | string {
  const start = minutesOf(from)
  const end = minutesOf(to)
  if (start === undefined || end === undefined || start === end || start === 1440)
    return `${from} to ${to} is not a time range; write for example "08:00" and "18:00"`
  const zone = formatOf(timeZone)
  if (zone === undefined) return `${JSON.stringify(timeZone)} is not the name of a time zone`
  const allowed = new Set<string>(days ?? weekdays)
  return (nowMs) => {
    const parts = Object.fromEntries(zone.formatToParts(nowMs).map(({ type, value }) => [type, value]))
    const day = (parts['weekday'] ?? '').toLowerCase()
    const minute = Number(parts['hour']) * 60 + Number(parts['minute'])
    if (start < end) return allowed.has(day) && minute >= start && minute < end
    // Across midnight: the hours after it belong to the day on which the window began.
    if (minute >= start) return allowed.has(day)
    const before = weekdays[(weekdays.indexOf(day as (typeof weekdays)[number]) + 6) % 7] as string
    return minute < end && allowed.has(before)
  }
}

function minutesOf(text: string): number | undefined {
  const [, hours, minutes] = /^([01][0-9]|2[0-3]):([0-5][0-9])$/.exec(text) ?? []
  if (hours !== undefined) return Number(hours) * 60 + Number(minutes)
  return text === '24:00' ? 1440 : undefined
}

function formatOf(timeZone: string): Intl.DateTimeFormat | undefined {
  try {
    return new Intl.DateTimeFormat('en-US', {
      timeZone,
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    })
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}
