/** For the lab's guest: one slow processor on which a system call costs fifty times what it costs elsewhere. */
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    include: ['namespace/**/*.test.ts', 'scripts/lab/*.lab.ts'],
    testTimeout: 180_000,
    hookTimeout: 180_000,
    teardownTimeout: 30_000,
    // One file at a time; a thread starts in a third of the time that a process needs.
    pool: 'threads',
    fileParallelism: false,
    reporters: ['verbose', 'junit'],
    outputFile: { junit: `${process.env.LAB_OUT ?? '/tmp'}/junit.xml` },
  },
})
