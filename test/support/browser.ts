import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Chromium, where there is one; CI installs it, and tests that need it say so where it is missing. */
export const chromium = Bun.which('chromium') ?? Bun.which('chromium-browser') ?? Bun.which('google-chrome');

export interface Page {
  /** The value of a JavaScript expression in the page. */
  evaluate<T>(expression: string): Promise<T>;
  /** PNG. */
  screenshot(): Promise<Uint8Array>;
}

/** Opens a file in a browser of its own, which is gone afterwards. */
export async function inBrowser<T>(file: string, look: (page: Page) => Promise<T>): Promise<T> {
  if (chromium === null) throw new Error('there is no Chromium');
  const directory = mkdtempSync(join(tmpdir(), 'browser-'));
  // Root may not have a sandbox, and a container has little /dev/shm.
  const argv = ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--hide-scrollbars'];
  const view = new Bun.WebView({
    width: 1100,
    height: 900,
    backend: { type: 'chrome', path: chromium, argv },
    dataStore: { directory },
  });
  try {
    await view.navigate(`file://${file}`);
    return await look({
      evaluate: (expression) => view.evaluate(expression),
      screenshot: () => view.screenshot({ encoding: 'buffer' }),
    });
  } finally {
    view.close();
    Bun.WebView.closeAll();
    rmSync(directory, { recursive: true, force: true });
  }
}
