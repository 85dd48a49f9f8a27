import { defineConfig } from 'vitest/config'

// Where CI wants its machine-readable report; people see the default one only.
const report = process.env['SPIFFE_PKI_TEST_REPORT']

const config: ReturnType<typeof defineConfig> = defineConfig({
  // The package by its own name is its source, as for types and programs: a fresh clone has no dist/.
  resolve: { tsconfigPaths: true },
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // A test that asserts nothing cannot fail. What one polls for comes soon: how soon, is the machine's business.
    expect: { requireAssertions: true, poll: { timeout: 30_000 } },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
    coverage: { provider: 'v8', include: ['src/**'], reporter: ['text-summary', 'html'] },
  },
})

export default config
