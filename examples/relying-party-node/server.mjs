// A web application that signs people in with Signet through openid-client.
//
// Reading order: configuration, the provider, the routes, the answers.

import { createServer } from 'node:http';
import * as client from 'openid-client';
import { Sessions } from './sessions.mjs';

// --- Configuration ---------------------------------------------------------

const port = Number(process.env.PORT ?? 3000);
const issuer = address('ISSUER', required('ISSUER'));
const clientId = required('CLIENT_ID');
const clientSecret = process.env.CLIENT_SECRET || undefined;
const redirectUri = address('REDIRECT', process.env.REDIRECT || `http://localhost:${port}/callback`);
const scope = process.env.SCOPE || 'openid profile email offline_access';
const homeUri = new URL('/', redirectUri);

const PENDING_LOGINS_MAX = 5;
const PROVIDER_TIMEOUT_SECONDS = 10;

const issuerIsLoopbackHttp = issuer.protocol === 'http:' && isLoopback(issuer.hostname);
if (issuer.protocol !== 'https:' && !issuerIsLoopbackHttp) {
  fail(`ISSUER is \`${issuer.href}\`; expected https, or http on localhost`);
}

function required(name) {
  return process.env[name] || fail(`set ${name}; see README.md`);
}

function address(name, value) {
  return URL.canParse(value) ? new URL(value) : fail(`${name} is \`${value}\`; expected an absolute address`);
}

function fail(message) {
  console.error(message);
  process.exit(2);
}

function isLoopback(hostname) {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
}

// --- The provider ----------------------------------------------------------

let discovered;

// Returns what discovery says about the provider. It is asked when it is first
// needed, so that this application may start before Signet does, and asked again
// only if that failed.
function provider() {
  discovered ??= discover().catch((error) => {
    discovered = undefined;
    throw error;
  });
  return discovered;
}

function discover() {
  const authentication = clientSecret ? client.ClientSecretBasic(clientSecret) : client.None();
  const execute = [
    // OpenID Connect Core 3.1.3.7 (6) lets TLS stand in for the signature of an ID
    // token from the token endpoint. On loopback there is no TLS: check it always.
    client.enableNonRepudiationChecks,
  ];
  if (issuerIsLoopbackHttp) execute.push(client.allowInsecureRequests);
  return client.discovery(issuer, clientId, undefined, authentication, {
    execute,
    timeout: PROVIDER_TIMEOUT_SECONDS,
  });
}

// --- The routes ------------------------------------------------------------

const sessions = new Sessions(redirectUri.protocol === 'https:');

const routes = {
  '/': home,
  '/login': login,
  [redirectUri.pathname]: callback,
  '/me': me,
  '/refresh': refresh,
  '/logout': logout,
  '/favicon.ico': favicon,
};

function home(request, response) {
  const person = sessions.find(request)?.person;
  if (person === undefined) {
    return page(response, 200, 'home', 'signed-in="false"',
      '<h1>Signed out</h1><p><a href="/login">Sign in with Signet</a></p>');
  }
  const { name, preferred_username: username, sub } = person.idTokenClaims;
  return page(response, 200, 'home', 'signed-in="true"',
    `<h1>Signed in</h1><p>You are <strong>${escape(name ?? username ?? sub)}</strong>.</p>` +
    '<p><a href="/me">Who am I?</a> · <a href="/refresh">Refresh the tokens</a> · ' +
    '<a href="/logout">Sign out</a></p>');
}

async function login(request, response) {
  const config = await provider();
  const state = client.randomState();
  const pending = { nonce: client.randomNonce(), verifier: client.randomPKCECodeVerifier() };

  // What the callback must find again is bound to this browser by its session, so that
  // a code from another browser is refused. Two tabs may each have a sign-in under way.
  const session = sessions.find(request) ?? sessions.start(response, { pending: new Map() });
  if (session.pending.size >= PENDING_LOGINS_MAX) {
    session.pending.delete(session.pending.keys().next().value);
  }
  session.pending.set(state, pending);

  redirect(response, client.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri.href,
    scope,
    state,
    nonce: pending.nonce,
    code_challenge: await client.calculatePKCECodeChallenge(pending.verifier),
    code_challenge_method: 'S256',
  }));
}

async function callback(request, response, url) {
  const before = sessions.find(request);
  const state = url.searchParams.get('state');
  const pending = before?.pending.get(state);
  if (pending === undefined) {
    return signInFailed(response, 'state_unknown', 'this browser has not started this sign-in, or has finished it');
  }
  before.pending.delete(state); // A state serves once.

  // RFC 9207 section 2.4: the issuer in the answer defends against mix-up. Signet always
  // sends it, so its absence is refused too; openid-client compares the value.
  if (!url.searchParams.has('iss')) {
    return signInFailed(response, 'iss_missing', 'the answer does not say which issuer it comes from');
  }

  const config = await provider();
  const answer = new URL(redirectUri);
  answer.search = url.search;
  let tokens;
  try {
    tokens = await client.authorizationCodeGrant(config, answer, {
      expectedState: state,
      expectedNonce: pending.nonce,
      pkceCodeVerifier: pending.verifier,
      idTokenExpected: true,
    });
  } catch (error) {
    console.error('sign-in failed:', describe(error));
    return signInFailed(response, codeOf(error), error.error_description ?? '');
  }

  // A new id for the session: one that was planted before the sign-in is worth nothing.
  sessions.end(response, before);
  sessions.start(response, {
    pending: new Map(),
    person: {
      idToken: tokens.id_token,
      idTokenClaims: tokens.claims(),
      accessToken: tokens.access_token,
      refreshToken: tokens.refresh_token,
    },
  });
  redirect(response, homeUri);
}

async function me(request, response) {
  const person = sessions.find(request)?.person;
  if (person === undefined) return json(response, 401, { error: 'not_signed_in' });

  const config = await provider();
  const { sub } = person.idTokenClaims;
  const userinfo = await client.fetchUserInfo(config, person.accessToken, sub);
  json(response, 200, { id_token_claims: person.idTokenClaims, userinfo });
}

async function refresh(request, response) {
  const session = sessions.find(request);
  if (session?.person === undefined) return json(response, 401, { error: 'not_signed_in' });
  if (session.person.refreshToken === undefined) {
    return json(response, 409, { error: 'no_refresh_token', error_description: 'ask for the scope `offline_access`' });
  }

  // A refresh token serves once, and using it twice looks like theft to the provider: two
  // requests of one session at the same time share one refresh.
  session.refreshing ??= rotate(session.person).finally(() => { session.refreshing = undefined; });
  try {
    json(response, 200, await session.refreshing);
  } catch (error) {
    if (error.error !== 'invalid_grant') throw error;
    // The provider has ended this sign-in. Say so, instead of keeping dead tokens.
    sessions.end(response, session);
    json(response, 401, { error: error.error, error_description: error.error_description });
  }
}

async function rotate(person) {
  const config = await provider();
  const tokens = await client.refreshTokenGrant(config, person.refreshToken);
  const claims = tokens.claims();
  // OpenID Connect Core 12.2: "its sub Claim Value MUST be the same as in the ID Token
  // issued when the original authentication occurred".
  if (claims !== undefined && claims.sub !== person.idTokenClaims.sub) {
    throw new Error('the refreshed ID token is about another person');
  }

  const outcome = {
    refreshed: true,
    refresh_token_changed: tokens.refresh_token !== undefined && tokens.refresh_token !== person.refreshToken,
    access_token_changed: tokens.access_token !== person.accessToken,
    id_token_returned: tokens.id_token !== undefined,
    expires_in: tokens.expires_in ?? null,
    scope: tokens.scope ?? null,
  };
  person.accessToken = tokens.access_token;
  person.refreshToken = tokens.refresh_token ?? person.refreshToken;
  if (claims !== undefined) {
    person.idToken = tokens.id_token;
    person.idTokenClaims = claims;
  }
  return outcome;
}

async function logout(request, response) {
  const session = sessions.find(request);
  if (session?.person === undefined) return redirect(response, homeUri);

  // First here, whatever becomes of the rest; then at the provider.
  sessions.end(response, session);
  const config = await provider();
  redirect(response, client.buildEndSessionUrl(config, {
    id_token_hint: session.person.idToken,
    post_logout_redirect_uri: homeUri.href,
  }));
}

// Browsers ask for an icon on their own; without an answer they log an error.
function favicon(_request, response) {
  response.writeHead(204).end();
}

// --- The answers -----------------------------------------------------------

function redirect(response, url) {
  response.writeHead(303, { Location: url.href, 'Cache-Control': 'no-store' }).end();
}

function json(response, status, body) {
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  }).end(JSON.stringify(body));
}

function signInFailed(response, code, detail) {
  page(response, 400, 'error', 'signed-in="false"',
    `<h1>Sign-in failed</h1><p><code>${escape(code)}</code> ${escape(detail)}</p>` +
    '<p><a href="/">Back</a></p>');
}

function page(response, status, name, data, body) {
  response.writeHead(status, {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': "default-src 'none'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    'Cache-Control': 'no-store',
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
  }).end(
    '<!doctype html><html lang="en"><head><meta charset="utf-8">' +
    '<meta name="viewport" content="width=device-width"><title>Relying party (Node)</title></head>' +
    `<body><main data-page="${name}" data-${data}>${body}</main></body></html>`);
}

function escape(text) {
  return String(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

// The OAuth error code if the provider sent one, else the library's own.
function codeOf(error) {
  return error.error ?? error.code ?? 'provider_failed';
}

// One line with the chain of causes, and no token: openid-client keeps responses in `cause`
// where they are not errors, and those are left out.
function describe(error) {
  const chain = [];
  for (let each = error; each instanceof Error; each = each.cause) {
    chain.push([each.error, each.code, each.message].filter(Boolean).join(' '));
  }
  return chain.join(': ');
}

const server = createServer(async (request, response) => {
  try {
    if (!URL.canParse(request.url, homeUri)) return json(response, 400, { error: 'malformed_address' });
    const url = new URL(request.url, homeUri);
    const route = Object.hasOwn(routes, url.pathname) ? routes[url.pathname] : undefined;
    if (route === undefined) return json(response, 404, { error: 'not_found' });
    if (request.method !== 'GET') {
      response.setHeader('Allow', 'GET');
      return json(response, 405, { error: 'method_not_allowed' });
    }
    await route(request, response, url);
  } catch (error) {
    console.error(`${request.method} failed:`, describe(error));
    if (response.headersSent) return response.destroy();
    json(response, 502, { error: error.error ?? 'provider_failed', error_description: error.error_description });
  }
});

server.on('error', (error) => fail(`cannot listen on port ${port}: ${error.code ?? error.message}`));
server.listen(port, '127.0.0.1', () => console.log(`ready on http://localhost:${port}`));
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    server.close(() => process.exit(0));
    server.closeAllConnections();
  });
}
