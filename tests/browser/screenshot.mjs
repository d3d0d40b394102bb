// Takes a picture of a page: node tests/browser/screenshot.mjs URL FILE [en|zh]
//
// Prints what was wrong on the page, if anything, and exits 1 then.

import { openBrowser } from './browser.mjs';

const [url, file, language = 'en'] = process.argv.slice(2);
if (url === undefined || file === undefined) {
  console.error('usage: screenshot.mjs URL FILE [en|zh]');
  process.exit(2);
}

const browser = await openBrowser({ language });
try {
  await browser.page.goto(url, { waitUntil: 'load' });
  await browser.page.screenshot({ path: file, fullPage: true });
} finally {
  await browser.close();
}
for (const { kind, text } of browser.problems) console.error(`${kind}: ${text}`);
process.exit(browser.problems.length === 0 ? 0 : 1);
