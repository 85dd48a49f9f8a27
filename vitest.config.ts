import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { LeftOutReporter } from './test/support/left-out-reporter.ts'

// The file of the JSON report that .ci/run reads; without it only the readable report is written.
const report = process.env['SPIFFE_PKI_TEST_REPORT']

// Quick tests share the modules of a worker: loading them anew for each file costs as much as the tests.
// A file that replaces a module of Node has a worker of its own, and so has what measures a process.
const quick = ['test/{unit,property}/**/*.test.ts']
const replacing = [
  'test/unit/adapters/grpc/server/port.test.ts',
  'test/unit/keys/encrypted-pkcs8.test.ts',
  'test/unit/svid/jose-options.test.ts',
]

const config: ReturnType<typeof defineConfig> = defineConfig({
  // `spiffe-pki` resolves to src/, as it does for tsc and tsx: a fresh clone has no dist/.
  resolve: { tsconfigPaths: true },
  test: {
    projects: [
      { extends: true, test: { name: 'quick', include: quick, exclude: replacing, isolate: false } },
      {
        extends: true,
        test: { name: 'whole', include: ['test/!(unit|property)/**/*.test.ts', ...replacing] },
      },
    ],
    pool: 'forks',
    // Vitest leaves a core free, which on two cores is half of the machine.
    maxWorkers: availableParallelism(),
    // A test without an assertion cannot fail. A poll waits up to 30 s because machines are shared.
    expect: { requireAssertions: true, poll: { timeout: 30_000 } },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: [
      'default',
      new LeftOutReporter(),
      ...(report === undefined ? [] : [['json', { outputFile: report }] as ['json', { outputFile: string }]]),
    ],
    coverage: { provider: 'v8', include: ['src/**'], reporter: ['text-summary', 'html'] },
  },
})

export default config
