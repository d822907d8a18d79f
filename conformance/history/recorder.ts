import { writeFile } from 'node:fs/promises'
import type { Event } from './event.ts'

/** What a user of the tree has to say of one call; the recorder numbers it. `Omit` of each member of the union, not of what they share. */
export type Told = Event extends infer Each
  ? Each extends Event
    ? Omit<Each, 'event' | 'client' | 'gateway'>
    : never
  : never

export type Recorder = {
  record(client: string, gateway: number, told: Told): void
  readonly events: readonly Event[]
  /** JSON lines. */
  write(file: string): Promise<void>
}

export function createRecorder(): Recorder {
  const events: Event[] = []
  return {
    events,
    record(client, gateway, told) {
      events.push({ event: events.length, client, gateway, ...told })
    },
    async write(file) {
      await writeFile(file, `${events.map((event) => JSON.stringify(event)).join('\n')}\n`)
    },
  }
}
