/** What `npm run lab:nfs` runs, in this order. */
import { powerCut } from './power-cut.ts'

/** A command for bash in a guest, in the project's directory, or a function on the host that starts guests itself. */
export type Part = {
  /** What it shows. */
  readonly about: string
} & (
  | { readonly command: string; readonly timeoutMs: number }
  | { readonly run: (directory: string, options: { readonly memoryMiB: number }) => Promise<number> }
)

const vitest = 'vitest run --config scripts/lab/vitest.config.ts'
const minutes = (count: number) => count * 60_000

export const parts = {
  layouts: {
    about: 'bytes go to the data server by flexible-file layouts',
    command: 'node scripts/lab/layouts.ts',
    timeoutMs: minutes(2),
  },
  power: {
    about: 'a power cut loses what was not flushed, and nothing else',
    run: powerCut,
  },
  contract: {
    about: 'the contract of Files on a gateway mount',
    command: `NAMESPACE_ROOT=$LAB_GATEWAY_1 ${vitest} namespace/posix-files.test.ts --testNamePattern "posix files on $LAB_GATEWAY_1"`,
    timeoutMs: minutes(5),
  },
  namespace: {
    about: 'the namespace suite on a gateway mount',
    command: `NAMESPACE_ROOT=$LAB_GATEWAY_1 ${vitest} namespace --exclude namespace/posix-files.test.ts`,
    timeoutMs: minutes(15),
  },
  product: {
    about: 'nginx, pool and tree on the mounts of two gateway machines',
    command: `${vitest} scripts/lab/product.lab.ts`,
    timeoutMs: minutes(10),
  },
} as const satisfies Readonly<Record<string, Part>>

export type PartName = keyof typeof parts
