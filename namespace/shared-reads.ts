/**
 * Many who ask the same thing at once are answered by one reading, but only by one that began after they asked.
 *
 * Reading R1 of a bucket's record is under way when DeleteBucket is acknowledged; then a request for the bucket arrives. Were it given R1,
 * it would find a bucket that its client knows to be gone. So it waits for R1 to end and shares the next reading with all who came
 * meanwhile: under load one reading serves as many requests as arrive during another one.
 */
export function sharedReads<Value>(read: (name: string) => Promise<Value>): (name: string) => Promise<Value> {
  type Flight = { readonly current: Promise<Value>; next: Promise<Value> | undefined }
  const flights = new Map<string, Flight>()

  const takeOff = (name: string): Promise<Value> => {
    const flight: Flight = { current: read(name), next: undefined }
    flights.set(name, flight)
    const landed = (): void => {
      if (flight.next === undefined) flights.delete(name)
    }
    flight.current.then(landed, landed)
    return flight.current
  }

  return (name) => {
    const flight = flights.get(name)
    if (flight === undefined) return takeOff(name)
    const again = (): Promise<Value> => takeOff(name)
    flight.next ??= flight.current.then(again, again)
    return flight.next
  }
}
