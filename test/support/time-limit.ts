import { plugin } from 'bun';

/**
 * Loaded before all tests (bunfig.toml). Real processes, real files: a test may take a while on two busy cores. Bun 1.4 ignores a
 * `timeout` in bunfig.toml, `--timeout` is forgotten when somebody runs one file, and `setDefaultTimeout` holds for the file alone
 * in which it is called; so each test file begins with that call, on its first line.
 */
const limitMs = 120_000;

plugin({
  name: 'time limit of tests',
  setup(build) {
    build.onLoad({ filter: /\.test\.ts$/ }, async ({ path }) => ({
      contents: `import { setDefaultTimeout as limit } from 'bun:test';limit(${limitMs});${await Bun.file(path).text()}`,
      loader: 'ts',
    }));
  },
});
