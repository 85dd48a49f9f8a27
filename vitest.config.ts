import { defineConfig } from 'vitest/config'

// Where CI wants its machine-readable report; people see the default one only.
const report = process.env['SPIFFE_PKI_TEST_REPORT']

const config: ReturnType<typeof defineConfig> = defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
    coverage: { provider: 'v8', include: ['src/**'], reporter: ['text-summary', 'html'] },
  },
})

export default config
