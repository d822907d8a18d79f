import { writeFile } from 'node:fs/promises'
import type { Call, Event } from './event.ts'

/** What a user of the tree has to say of one call; the recorder numbers it. `Omit` of each member of the union, not of what they share. */
export type ToldOf<Kind extends Call> = Kind extends infer Each ? Omit<Each, 'event' | 'client' | 'gateway'> : never

export type Told = ToldOf<Event>

export type Recorder<Kind extends Call = Event> = {
  record(client: string, gateway: number, told: ToldOf<Kind>): void
  readonly events: readonly Kind[]
  /** JSON lines. */
  write(file: string): Promise<void>
}

export function createRecorder<Kind extends Call = Event>(): Recorder<Kind> {
  const events: Kind[] = []
  return {
    events,
    record(client, gateway, told) {
      // The union's own members, put together again: no type says so.
      events.push({ event: events.length, client, gateway, ...told } as unknown as Kind)
    },
    async write(file) {
      await writeFile(file, `${events.map((event) => JSON.stringify(event)).join('\n')}\n`)
    },
  }
}
