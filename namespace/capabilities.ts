// Placeholder until the probe is written (ADDON replaces this file).
import type { Files } from './files.ts'
export type Capabilities = { readonly attributeBytesMax: number }
export const probeCapabilities = async (_files: Files, _directory: string): Promise<Capabilities> => ({ attributeBytesMax: 3800 })
