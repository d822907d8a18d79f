/** The moment a request was signed at. */
export type Timestamp = {
  /** `20130524T000000Z`, as it stands in the string to sign. */
  readonly iso: string
  readonly epochMs: number
}

const ISO_BASIC = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/
/** RFC 9110 section 5.6.7, the preferred form. */
const HTTP_DATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d (GMT|UTC|[+-]0000)$/

/** `20130524T000000Z`; undefined for anything else, the 31st of February and dates before 1970 included. */
export function parseIsoBasic(text: string): Timestamp | undefined {
  const match = ISO_BASIC.exec(text)
  if (match === null) return undefined
  const [, year, month, day, hour, minute, second] = match
  // Refuses what is out of range but for the 31st of a shorter month and 24:00, which become a day that comes later.
  const epochMs = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  const isThatDay = new Date(epochMs).getUTCDate() === Number(day)
  return epochMs >= 0 && isThatDay ? { iso: text, epochMs } : undefined
}

/** x-amz-date or Date: `20130524T000000Z` or `Fri, 24 May 2013 00:00:00 GMT`. */
export function parseRequestDate(text: string): Timestamp | undefined {
  const basic = parseIsoBasic(text)
  if (basic !== undefined || !HTTP_DATE.test(text)) return basic
  const epochMs = Date.parse(text)
  return epochMs >= 0 ? { iso: isoBasic(epochMs), epochMs } : undefined
}

/** `2013-05-24T00:00:00Z`, as it stands in error documents. */
export function isoExtended(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 19)}Z`
}

function isoBasic(epochMs: number): string {
  return isoExtended(epochMs).replace(/[-:]/g, '')
}
