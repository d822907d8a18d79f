/** What `npm run lab:nfs` runs, in this order. */
import { resolve } from 'node:path'
import { makePython } from '../../conformance/s3-tests/python.ts'
import { powerCut } from './power-cut.ts'
import { type PowerLossOptions, powerLoss } from './power-loss.ts'

/** A command for bash in a guest, in the project's directory, or a function on the host that starts guests itself. */
export type Part = {
  /** What it shows. */
  readonly about: string
  /** An environment variable that must be set; without it the part runs, and fails, only when it is asked for. */
  readonly needs?: string
} & (
  | {
      readonly command: string
      readonly timeoutMs: number
      /** On the host, before: a guest has no way out to where packages come from. */
      readonly prepare?: () => Promise<unknown>
    }
  | { readonly run: (directory: string, options: PowerLossOptions) => Promise<number> }
)

// A closed tree keeps the descriptor of its root until JavaScript's memory is collected; the guest's own limit is 1,024.
const vitest = 'ulimit -n 16384 && vitest run --config scripts/lab/vitest.config.ts'
const minutes = (count: number) => count * 60_000

export const parts = {
  layouts: {
    about: 'bytes go to the data server by flexible-file layouts',
    command: 'node scripts/lab/layouts.ts',
    timeoutMs: minutes(2),
  },
  'second-mount': {
    about: 'what publish_root needs: a second mount of the export that shares nothing with the first',
    command: 'node scripts/lab/second-mount.ts',
    timeoutMs: minutes(5),
  },
  power: {
    about: 'a power cut loses what was not flushed, and nothing else',
    run: powerCut,
  },
  contract: {
    about: 'the contract of Files on a gateway mount',
    command: `export NAMESPACE_ROOT=$LAB_GATEWAY_1 && ${vitest} namespace/posix-files.test.ts --testNamePattern "posix files on $LAB_GATEWAY_1"`,
    timeoutMs: minutes(10),
  },
  namespace: {
    about: 'the namespace suite on a gateway mount',
    command: `export NAMESPACE_ROOT=$LAB_GATEWAY_1 && ${vitest} namespace --exclude namespace/posix-files.test.ts --exclude 'namespace/crash*.test.ts'`,
    timeoutMs: minutes(45),
  },
  product: {
    about: 'nginx, pool and tree on the mounts of two gateway machines',
    command: `${vitest} scripts/lab/product.lab.ts`,
    timeoutMs: minutes(10),
  },
  'power-loss': {
    about: 'the power goes under load, again and again: what was acknowledged is there (--cuts, --durability, --on)',
    run: powerLoss,
  },
  history: {
    about:
      'gateways on two machines, 16 clients, a file user: some order of events explains it all (--operations, --faults)',
    command: 'node scripts/lab/history.ts --operations "$LAB_OPERATIONS" --faults "$LAB_FAULTS"',
    timeoutMs: minutes(120),
  },
  'history-versioned': {
    about: 'the same in a versioned bucket, with tags, retention and legal hold; no file user',
    command: 'node scripts/lab/history.ts --versioned --operations "$LAB_OPERATIONS" --faults "$LAB_FAULTS"',
    timeoutMs: minutes(120),
  },
  crash: {
    about: 'each verb stopped after every change it makes to a gateway mount',
    command: `export NAMESPACE_ROOT=$LAB_GATEWAY_1 && ${vitest} namespace/crash.test.ts`,
    // Hundreds of cases, each of which makes its tree anew after every stop.
    timeoutMs: minutes(150),
  },
  'crash-versions': {
    about: 'the same in a versioned bucket',
    command: `export NAMESPACE_ROOT=$LAB_GATEWAY_1 && ${vitest} namespace/crash-versions.test.ts`,
    timeoutMs: minutes(150),
  },
  's3-tests': {
    about: 'the public suite on a gateway mount',
    needs: 'S3_TESTS',
    prepare: () => makePython(resolve(process.env.S3_TESTS ?? '')),
    command: 'mkdir $LAB_GATEWAY_1/tree && S3_TESTS_ROOT=$LAB_GATEWAY_1/tree node conformance/s3-tests/run.ts',
    timeoutMs: minutes(60),
  },
} as const satisfies Readonly<Record<string, Part>>

export type PartName = keyof typeof parts
