// Drives one whole sign-in as a person does: from the relying party to Signet's pages and back.
//
//   node tests/browser/sign-in.mjs '{"relyingParty":"http://localhost:3000","username":"…",…}'
//
// The specification (README.md lists its fields) is the first argument or SIGN_IN_SPEC. Prints
// one line of JSON with what was seen. Exits 1, with `"ok":false` and `"error"`, on the first
// thing that is not as it must be; exits 2 if the specification makes no sense.

import { join } from 'node:path';
import { openBrowser, withoutQueryValues } from './browser.mjs';

const DEFAULTS = {
  issuer: null,
  newPassword: null,
  expectConsent: false,
  language: 'en',
  javascript: true,
  screenshots: null,
  timeoutSeconds: 15,
  steps: ['sign-in', 'me', 'refresh', 'refresh', 'logout', 'login-asks-password'],
};
const WHOLE_RUN_SECONDS_MAX = 180;
const TEXT_LENGTH_MAX = 2000;
// Sign-in, change of password and consent: a page that comes back is an error, not another try.
const PAGES_IN_ONE_SIGN_IN_MAX = 3;

const SUBMIT = 'button:not([type=button]):not([type=reset]), input[type=submit]';

class Unexpected extends Error {}

function expect(condition, message) {
  if (!condition) throw new Unexpected(message);
}

// --- What a person does ------------------------------------------------------

class Visit {
  constructor(spec, { context, page, problems }) {
    this.spec = spec;
    this.context = context;
    this.page = page;
    this.problems = problems;
    this.password = spec.password; // The current one: a change replaces it.
    this.signedIn = false; // At Signet, which outlives a refused consent.
    this.changed = false;
    this.consented = false;
    this.relyingParty = new URL(spec.relyingParty).origin;
    this.provider = spec.issuer === null ? null : new URL(spec.issuer).origin;
    this.report = { steps: [], pages: [], redirects: [] };
    this.documents = [];
    this.photographs = 0;
    this.step = null;
    page.on('response', (response) => {
      const request = response.request();
      if (request.isNavigationRequest() && request.frame() === page.mainFrame()) {
        this.documents.push({ response, step: this.step });
      }
    });
  }

  async run() {
    for (const name of this.spec.steps) {
      this.step = name;
      const seen = await STEPS[name](this);
      this.report.steps.push({ step: name, ...seen });
      await this.collectDocuments();
      this.#expectNoProblems(TOLERATES_REFUSALS.has(name));
    }
  }

  // Opens an address of the relying party.
  async open(path) {
    return this.page.goto(this.relyingParty + path, { waitUntil: 'load' });
  }

  // Opens an address of the relying party that answers with JSON.
  async openJson(path) {
    const response = await this.open(path);
    const text = await response.text();
    expect(response.status() === 200, `${path} of the relying party answered ${response.status()}: ${text}`);
    return JSON.parse(text);
  }

  // Clicks what leads to another page and waits until that page is there.
  async follow(button, what) {
    expect(await button.count() > 0, `${what}: there is no such button`);
    const arrived = this.page.waitForEvent('framenavigated', (frame) => frame === this.page.mainFrame());
    try {
      await Promise.all([arrived, button.first().click()]);
    } catch (error) {
      throw new Unexpected(`${what}: no other page came (${firstLine(error)})`);
    }
    await this.page.waitForLoadState('load');
  }

  // Looks at the page that is open now, and checks what holds for every page of Signet.
  async look() {
    const url = new URL(this.page.url());
    const main = this.page.locator('main[data-page]');
    const found = await main.count();
    expect(found === 1, `${withoutQueryValues(url.href)} has ${found} elements main[data-page], expected one; ` +
      `it says: ${clip(await this.page.locator('body').innerText())}`);
    const name = await main.getAttribute('data-page');
    const view = { name, main, ofRelyingParty: url.origin === this.relyingParty };
    if (view.ofRelyingParty) return view;

    this.provider ??= url.origin;
    expect(url.origin === this.provider, `a page of ${url.origin}, which is neither the relying party nor ${this.provider}`);
    const lang = await this.page.locator('html').getAttribute('lang');
    const entry = {
      step: this.step,
      page: name,
      url: withoutQueryValues(url.href),
      lang,
      title: await this.page.title(),
      text: clip(await main.innerText()),
      inputs: await this.#inputs(),
    };
    const document = this.documents.findLast(({ response }) => !isRedirect(response));
    if (document !== undefined) document.entry = entry;
    await this.#photograph(name);

    expect(lang?.toLowerCase().startsWith(this.spec.language),
      `the page \`${name}\` is in \`${lang}\`, expected \`${this.spec.language}\``);
    if (this.spec.issuer !== null && name === 'sign-in') {
      const expected = `${new URL(this.spec.issuer).pathname.replace(/\/$/, '')}/sign-in`;
      expect(url.pathname === expected, `the sign-in page is at \`${url.pathname}\`, expected \`${expected}\``);
    }
    await this.#checkForms(name);
    this.#expectNoProblems(TOLERATES_REFUSALS.has(this.step), `; the page \`${name}\` says: ${entry.text}`);
    return view;
  }

  // As `look`, for a page whose name is known.
  async lookFor(name, ofRelyingParty = false) {
    const view = await this.look();
    const where = (relyingParty) => (relyingParty ? 'the relying party' : 'Signet');
    expect(view.name === name && view.ofRelyingParty === ofRelyingParty,
      `the page \`${view.name}\` of ${where(view.ofRelyingParty)}, expected \`${name}\` of ${where(ofRelyingParty)}; ` +
      `it says: ${clip(await view.main.innerText())}`);
    return view;
  }

  async lookForHome(signedIn) {
    const { main } = await this.lookFor('home', true);
    const state = await main.getAttribute('data-signed-in');
    expect(state === String(signedIn), `the relying party says signed in: ${state}, expected ${signedIn}`);
  }

  // Fills fields by name and submits the form that holds them.
  async submit(values, what) {
    const names = Object.keys(values);
    const form = this.page.locator(`form:has(input[name="${names.at(-1)}"])`);
    for (const name of names) {
      const field = form.locator(`input[name="${name}"]`);
      expect(await field.count() === 1, `${what}: expected one input \`${name}\`, found ${await field.count()}`);
      await field.fill(values[name]);
    }
    await this.follow(form.locator(SUBMIT), what);
  }

  async decide(value, what) {
    await this.follow(this.page.locator(`button[name="decision"][value="${value}"]`), what);
  }

  async #inputs() {
    const inputs = [];
    for (const input of await this.page.locator('main input').all()) {
      const entry = {};
      for (const attribute of ['name', 'type', 'autocomplete', 'inputmode', 'required', 'id']) {
        const value = await input.getAttribute(attribute);
        if (value !== null) entry[attribute] = value;
      }
      inputs.push(entry);
    }
    return inputs;
  }

  // Every form that changes something posts to the page's own origin and carries a CSRF token.
  async #checkForms(name) {
    for (const form of await this.page.locator('form').all()) {
      const method = (await form.getAttribute('method'))?.toLowerCase() ?? 'get';
      const action = new URL((await form.getAttribute('action')) ?? '', this.page.url());
      expect(action.origin === this.provider, `a form of \`${name}\` goes to \`${action.origin}\`, expected \`${this.provider}\``);
      const secret = await form.locator('input[type=password]').count() > 0;
      expect(!secret || method === 'post', `a form of \`${name}\` sends a password by \`${method}\``);
      if (method !== 'post') continue;
      const token = form.locator('input[type=hidden][name=csrf]');
      expect(await token.count() === 1 && await token.inputValue() !== '',
        `a form of \`${name}\` has no hidden \`csrf\` with a value`);
    }
  }

  async #photograph(name) {
    if (this.spec.screenshots === null) return;
    const number = String(++this.photographs).padStart(2, '0');
    await this.page.screenshot({ path: join(this.spec.screenshots, `${number}-${name}.png`), fullPage: true });
  }

  // Moves what the browser received since the last call into the report.
  async collectDocuments() {
    for (const { response, step, entry } of this.documents.splice(0)) {
      const url = new URL(response.url());
      if (url.origin === this.relyingParty) continue;
      const request = response.request();
      const headers = await safeHeaders(response);
      const common = { step, method: request.method(), url: withoutQueryValues(url.href), status: response.status() };
      if (isRedirect(response)) {
        this.report.redirects.push({ ...common, location: headers.location, headers });
      } else if (/^text\/html\b/i.test(headers['content-type'] ?? '')) {
        this.report.pages.push({ ...common, ...entry, headers });
      } else {
        throw new Unexpected(`${common.url} showed a person \`${headers['content-type']}\`, expected text/html`);
      }
    }
  }

  // A refusal that a step is there to see has a status of 400 or more, and Chromium logs that
  // about the document itself.
  #expectNoProblems(toleratesRefusals, context = '') {
    const refused = (problem) => toleratesRefusals && problem.kind === 'console' &&
      /^Failed to load resource: the server responded with a status of 4\d\d/.test(problem.text) &&
      problem.url === withoutQueryValues(this.page.url());
    const open = this.problems.filter((problem) => !refused(problem));
    this.problems.splice(0, this.problems.length, ...open);
    expect(open.length === 0, open.map(({ kind, text, url }) => `${kind}: ${text} (${url})`).join('; ') + context);
  }
}

// --- The steps -----------------------------------------------------------------

const TOLERATES_REFUSALS = new Set(['wrong-password', 'deny-consent']);

const STEPS = {
  // Signs in, changes the password and consents where that is due, and comes back signed in.
  async 'sign-in'(visit) {
    await visit.open('/login');
    const pages = await passThrough(visit, 'allow');
    await visit.lookForHome(true);
    return { pages };
  },

  // Signs in, refuses consent, and comes back signed out with the reason.
  async 'deny-consent'(visit) {
    await visit.open('/login');
    const pages = await passThrough(visit, 'deny');
    expect(pages.includes('consent'), 'there was no consent page to refuse on');
    const { main } = await visit.lookFor('error', true);
    const text = await main.innerText();
    expect(text.includes('access_denied'), `the relying party does not say access_denied: ${text}`);
    return { pages };
  },

  // Gives a wrong password and stays on the sign-in page, with a message and an empty field.
  async 'wrong-password'(visit) {
    await visit.open('/login');
    const before = await visit.lookFor('sign-in');
    const textBefore = await before.main.innerText();
    await visit.submit({ username: visit.spec.username, password: `not ${visit.password}` }, 'sign-in with a wrong password');
    const { main } = await visit.lookFor('sign-in');
    const text = clip(await main.innerText());
    expect(text !== clip(textBefore), 'the sign-in page says nothing about the wrong password');
    expect(await visit.page.locator('input[name="password"]').inputValue() === '', 'the page sent the password back');
    return { text };
  },

  // Comes back signed in without seeing a page of Signet.
  async 'single-sign-on'(visit) {
    await visit.open('/login');
    await visit.lookForHome(true);
    return {};
  },

  async me(visit) {
    const body = await visit.openJson('/me');
    const claims = body.id_token_claims ?? {};
    expect(typeof claims.sub === 'string' && claims.sub !== '', 'the ID token has no sub');
    expect(body.userinfo?.sub === claims.sub, 'userinfo and ID token name different people');
    expect(visit.spec.issuer === null || claims.iss === visit.spec.issuer,
      `the ID token is from \`${claims.iss}\`, expected \`${visit.spec.issuer}\``);
    return body;
  },

  async refresh(visit) {
    const body = await visit.openJson('/refresh');
    expect(body.refreshed === true, 'the tokens were not refreshed');
    expect(body.refresh_token_changed === true, 'the refresh token was not rotated');
    return body;
  },

  // Signs out at the relying party and at Signet, and comes back signed out.
  async logout(visit) {
    await visit.open('/logout');
    let view = await visit.look();
    const confirmed = !view.ofRelyingParty && view.name === 'sign-out';
    if (confirmed) {
      await visit.decide('sign_out', 'the sign-out page');
      view = await visit.look();
    }
    await visit.lookForHome(false);
    visit.signedIn = false;
    const me = await visit.context.request.get(`${visit.relyingParty}/me`);
    expect(me.status() === 401, `after signing out, /me of the relying party answers ${me.status()}`);
    return { confirmed };
  },

  // Starts a new sign-in, which must not go through without a password.
  async 'login-asks-password'(visit) {
    await visit.open('/login');
    await visit.lookFor('sign-in');
    const fields = await visit.page.locator('input[name="password"]').count();
    expect(fields === 1, `the sign-in page has ${fields} password fields`);
    return {};
  },
};

// Goes through Signet's pages until the relying party is back. Returns their names in order.
async function passThrough(visit, decision) {
  const { spec } = visit;
  const pages = [];
  let view = await visit.look();
  while (!view.ofRelyingParty) {
    expect(!pages.includes(view.name), `the page \`${view.name}\` came twice; it says: ${clip(await view.main.innerText())}`);
    expect(pages.length < PAGES_IN_ONE_SIGN_IN_MAX, 'the sign-in has too many pages');
    pages.push(view.name);
    if (view.name === 'sign-in') {
      await visit.submit({ username: spec.username, password: visit.password }, 'the sign-in page');
    } else if (view.name === 'change-password' && spec.newPassword !== null) {
      await visit.submit({
        current_password: visit.password,
        new_password: spec.newPassword,
        new_password_again: spec.newPassword,
      }, 'the change-password page');
      visit.password = spec.newPassword;
    } else if (view.name === 'consent' && spec.expectConsent) {
      await visit.decide(decision, 'the consent page');
    } else {
      throw new Unexpected(`the page \`${view.name}\` came unexpectedly; it says: ${clip(await view.main.innerText())}`);
    }
    view = await visit.look();
  }
  // After a refused consent the person is still signed in at Signet: no password again.
  expect((pages[0] === 'sign-in') !== visit.signedIn,
    `the first page was \`${pages[0] ?? 'none of Signet'}\` and the person was ${visit.signedIn ? '' : 'not '}signed in at Signet before`);
  visit.signedIn = true;
  expect(spec.newPassword === null || visit.changed || pages.includes('change-password'), 'no change of password was asked for');
  visit.changed = true;
  expect(!spec.expectConsent || visit.consented || pages.includes('consent'), 'no consent was asked for');
  visit.consented ||= pages.includes('consent') && decision === 'allow';
  return pages;
}

// --- Helpers ---------------------------------------------------------------------

function isRedirect(response) {
  return response.status() >= 300 && response.status() < 400;
}

// Response headers without what must not stay in a test's log: values of cookies and of queries.
async function safeHeaders(response) {
  const headers = {};
  for (const { name, value } of await response.headersArray()) {
    const key = name.toLowerCase();
    const safe = key === 'set-cookie' ? value.replace(/=[^;]*/, '=…')
      : key === 'location' ? withoutQueryValues(new URL(value, response.url()).href)
        : value;
    headers[key] = key in headers ? `${headers[key]}\n${safe}` : safe;
  }
  return headers;
}

function clip(text) {
  return text.trim().slice(0, TEXT_LENGTH_MAX);
}

function firstLine(error) {
  return String(error.message).split('\n', 1)[0];
}

function readSpec() {
  const text = process.argv[2] ?? process.env.SIGN_IN_SPEC;
  if (!text) throw new Error('give the specification as the first argument or in SIGN_IN_SPEC');
  const given = JSON.parse(text);
  const unknown = Object.keys(given).filter((key) => !(key in DEFAULTS) && !['relyingParty', 'username', 'password'].includes(key));
  if (unknown.length > 0) throw new Error(`unknown fields: ${unknown.join(', ')}`);
  const spec = { ...DEFAULTS, ...given };
  for (const key of ['relyingParty', 'username', 'password']) {
    if (typeof spec[key] !== 'string' || spec[key] === '') throw new Error(`\`${key}\` must be a text`);
  }
  if (!['en', 'zh'].includes(spec.language)) throw new Error(`\`language\` is \`${spec.language}\`; expected \`en\` or \`zh\``);
  const strange = spec.steps.filter((step) => !Object.hasOwn(STEPS, step));
  if (spec.steps.length === 0 || strange.length > 0) {
    throw new Error(`\`steps\` holds \`${strange}\`; expected some of ${Object.keys(STEPS).join(', ')}`);
  }
  return spec;
}

async function main() {
  let spec;
  try {
    spec = readSpec();
  } catch (error) {
    console.error(`sign-in: ${error.message}`);
    return 2;
  }

  const browser = await openBrowser(spec);
  const visit = new Visit(spec, browser);
  let watchdog;
  const tooLong = new Promise((_, reject) => {
    watchdog = setTimeout(() => reject(new Unexpected(`not done after ${WHOLE_RUN_SECONDS_MAX} s`)), WHOLE_RUN_SECONDS_MAX * 1000);
  });
  let error;
  try {
    await Promise.race([visit.run(), tooLong]);
  } catch (caught) {
    error = `${visit.step}: ${caught instanceof Unexpected ? caught.message : firstLine(caught)}`;
    // What led here belongs in the report; the first error stays the one that counts.
    await visit.collectDocuments().catch(() => {});
  } finally {
    clearTimeout(watchdog);
  }

  const report = { ok: error === undefined, error, at: withoutQueryValues(browser.page.url()), ...visit.report, problems: browser.problems };
  await browser.close();
  await new Promise((resolve) => process.stdout.write(`${JSON.stringify(report)}\n`, resolve));
  if (error === undefined) return 0;
  const details = browser.problems.map(({ kind, text }) => `\n  ${kind}: ${text}`).join('');
  console.error(`sign-in: ${error}${details}`);
  return 1;
}

process.exit(await main());
