// The lints of the page's modules and of what tests them.
import globals from 'globals';

const rules = {
  'constructor-super': 'error',
  'no-undef': 'error',
  'no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
  'no-const-assign': 'error',
  'no-dupe-keys': 'error',
  'no-dupe-class-members': 'error',
  'no-unreachable': 'error',
  'no-fallthrough': 'error',
  'no-self-assign': 'error',
  'no-eval': 'error',
  'no-implied-eval': 'error',
  'no-new-func': 'error',
  'no-console': 'error',
  'no-var': 'error',
  'prefer-const': 'error',
  'eqeqeq': ['error', 'smart'],
  'no-throw-literal': 'error',
  'require-await': 'error',
  'no-promise-executor-return': 'error',
  'max-lines': ['error', { max: 400 }],
};

export default [
  { ignores: ['plugins/dashboard/web/vendor/**'] },
  {
    files: ['plugins/dashboard/web/**/*.js'],
    languageOptions: { ecmaVersion: 2024, sourceType: 'module', globals: globals.browser },
    rules: {
      ...rules,
      // Under the strict policy neither inline style nor markup from text is wanted.
      'no-restricted-properties': [
        'error',
        { property: 'innerHTML', message: 'render a template instead' },
        { property: 'outerHTML', message: 'render a template instead' },
        { property: 'insertAdjacentHTML', message: 'render a template instead' },
      ],
    },
  },
  {
    files: ['plugins/dashboard/{tests,tools}/**/*.js', 'tests/browser/**/*.js', 'eslint.config.js'],
    languageOptions: { ecmaVersion: 2024, sourceType: 'module', globals: { ...globals.node, ...globals.browser } },
    rules: { ...rules, 'no-console': 'off' },
  },
];
