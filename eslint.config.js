// Correctness by type, file size, and the rule that only `runtime` reads the clock or a weak random source.
import tseslint from 'typescript-eslint'

const clockMessage =
  'Take a Clock (or randomness) through options: src/runtime is the only place that asks the platform.'

export default tseslint.config(
  { ignores: ['dist/', 'coverage/', 'docs/api/', 'src/adapters/**/gen/', '**/*.js', '**/*.mjs'] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
      // Strings and comments too; Prettier does not break an import of one name.
      'max-len': [
        'error',
        {
          code: 110,
          ignoreStrings: false,
          ignoreUrls: false,
          ignorePattern: "^import (type )?\\{ \\w+ \\} from '",
        },
      ],
      'no-console': 'error',
      eqeqeq: 'error',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: 'only-allowed-literals' },
      ],
      // `void this.subject` is how a lazy field is decoded now: the getter is the call.
      '@typescript-eslint/no-meaningless-void-operator': 'off',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_' },
      ],
      // Static factories on classes with private state, and namespaced constants, are this package's idiom.
      '@typescript-eslint/no-extraneous-class': 'off',
      // A union with one overload per branch documents better than one wide signature.
      '@typescript-eslint/unified-signatures': 'off',
      // Contracts say Promise; an implementation that has nothing to wait for still answers with one.
      '@typescript-eslint/require-await': 'off',
    },
  },
  {
    files: ['src/**/*.ts'],
    // Contract suites hold stores to the real time: the clock of a store is its own.
    ignores: ['src/runtime/**', 'src/testing/contracts/**'],
    rules: {
      'no-restricted-properties': [
        'error',
        { object: 'Date', property: 'now', message: clockMessage },
        { object: 'Math', property: 'random', message: clockMessage },
      ],
      'no-restricted-syntax': [
        'error',
        { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: clockMessage },
        {
          selector:
            "CallExpression[callee.object.name='process']" +
            '[callee.property.name=/^(on|once|addListener|exit)$/]',
          message: 'A library leaves the process to its host.',
        },
      ],
    },
  },
  {
    files: ['test/**/*.ts', 'bench/**/*.ts', 'examples/**/*.ts', 'scripts/**/*.ts'],
    rules: {
      'no-console': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      // Matchers of the test runner and JSON.parse answer with any.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      // Wrong values on purpose are what tests of untyped callers are made of.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      '@typescript-eslint/no-unnecessary-type-assertion': 'off',
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/no-misused-spread': 'off',
      '@typescript-eslint/restrict-template-expressions': 'off',
      '@typescript-eslint/no-base-to-string': 'off',
      '@typescript-eslint/no-confusing-void-expression': 'off',
    },
  },
  {
    files: ['{src,test,bench,examples,scripts}/**/*.ts'],
    rules: { complexity: ['error', 15] },
  },
  {
    // A table of cases, as the contract suites of the tests are.
    files: ['src/testing/**/*-contract.ts'],
    rules: { 'max-lines': ['error', { max: 600, skipBlankLines: true, skipComments: true }] },
  },
  {
    // A table of cases is long and reads well; what a test does with it stays short.
    files: ['test/**/*.ts'],
    rules: { 'max-lines': ['error', { max: 1000, skipBlankLines: true, skipComments: true }] },
  },
)
