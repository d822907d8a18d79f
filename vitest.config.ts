import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['{gateway,namespace,auth,nginx,conformance,scripts}/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
