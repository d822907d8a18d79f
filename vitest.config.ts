import { availableParallelism } from 'node:os'
import { configDefaults, defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'parts',
          include: ['{gateway,namespace,auth,nginx}/**/*.test.ts'],
          // They wait for the disk half of their time; vitest's own default leaves one processor idle.
          maxWorkers: availableParallelism(),
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'whole',
          include: ['{conformance,scripts}/**/*.test.ts'],
          exclude: [...configDefaults.exclude, 'conformance/domain/**'],
          // Each keeps all processors busy with a product of its own.
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'domain',
          // With people of a real domain. The latter run in `whole` with users of a file, too (conformance/suite-users.ts).
          include: ['conformance/domain/**/*.test.ts', 'conformance/{clients,features,sts}.test.ts'],
          env: { CAUSEWAY_SUITE_USERS: 'domain' },
          // They wait half of their time: for a session's end, for workers' next look, for a grace to be over.
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})
