import { readFile } from 'node:fs/promises'

/** What the kernel's NFS client counts for the mount at `directory`, from /proc/self/mountstats; '' where none is mounted there. */
export async function mountStatsOf(directory: string): Promise<string> {
  const mountstats = await readFile('/proc/self/mountstats', 'utf8')
  return mountstats.split(/^device /m).find((section) => section.includes(` mounted on ${directory} `)) ?? ''
}

/** How often one NFSv4 operation was sent for a mount; NaN where its section does not say. */
export const callsOf = (section: string, operation: string): number =>
  Number(new RegExp(`^\\s+${operation}: (\\d+)`, 'm').exec(section)?.[1] ?? Number.NaN)
