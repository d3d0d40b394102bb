// A headless Chromium with an empty profile, and a watch over everything that must not happen
// on a page: errors on the console, violations of the content security policy, errors of
// scripts, failed requests, dialogs and windows that nobody asked for.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const ARGUMENTS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const LOCALES = { en: 'en-US', zh: 'zh-CN' };

// Starts a browser as a person with this language has it. `javascript: false` is a browser in
// which pages run no script at all.
export async function openBrowser({ language = 'en', javascript = true, timeoutSeconds = 15 } = {}) {
  const profile = await mkdtemp(join(tmpdir(), 'signet-browser-'));
  let context;
  const close = async () => {
    await context?.close();
    await rm(profile, { recursive: true, force: true });
  };
  try {
    context = await chromium.launchPersistentContext(profile, {
      executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
      headless: true,
      args: ARGUMENTS,
      locale: LOCALES[language],
      javaScriptEnabled: javascript,
      viewport: { width: 1000, height: 800 },
    });
    context.setDefaultTimeout(timeoutSeconds * 1000);
    if (javascript) await context.addInitScript(reportPolicyViolations);
    const page = context.pages()[0] ?? (await context.newPage());
    return { context, page, problems: watch(context, page), close };
  } catch (error) {
    await close();
    throw error;
  }
}

// Runs in the page, before any script of its own.
function reportPolicyViolations() {
  document.addEventListener('securitypolicyviolation', (event) => {
    console.error(`securitypolicyviolation: ${event.effectiveDirective} refused ${event.blockedURI || 'inline code'}`);
  });
}

// Returns the list that fills with what went wrong: `{ kind, text, url }` each.
function watch(context, page) {
  const problems = [];
  const add = (kind, text, url) => problems.push({ kind, text, url: withoutQueryValues(url ?? page.url()) });

  page.on('console', (message) => {
    const text = message.text();
    // Chromium reports some violations as warnings and some as errors: all are failures.
    const violation = /content.security.policy|securitypolicyviolation|trusted ?type/i.test(text);
    if (violation) add('csp', text, message.location().url);
    else if (message.type() === 'error') add('console', text, message.location().url);
  });
  page.on('pageerror', (error) => add('script', error.message));
  page.on('crash', () => add('crash', 'the page crashed'));
  page.on('requestfailed', (request) => {
    const reason = request.failure()?.errorText ?? 'failed';
    // A navigation that gives way to the next one is no failure.
    if (request.isNavigationRequest() && reason === 'net::ERR_ABORTED') return;
    add('request', `${request.method()} ${request.resourceType()}: ${reason}`, request.url());
  });
  page.on('dialog', async (dialog) => {
    add('dialog', `a script opened a dialog: ${dialog.message()}`);
    await dialog.dismiss();
  });
  context.on('page', (opened) => {
    if (opened !== page) add('window', 'the page opened a window', opened.url());
  });
  return problems;
}

// Codes, tokens and states live in query strings. The report keeps their names only.
export function withoutQueryValues(address) {
  if (!address || !URL.canParse(address)) return address ?? '';
  const url = new URL(address);
  const names = [...new Set(url.searchParams.keys())];
  const origin = url.origin === 'null' ? `${url.protocol}` : url.origin;
  return origin + url.pathname + (names.length === 0 ? '' : `?${names.join('&')}`);
}
