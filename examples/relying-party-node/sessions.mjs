// Sessions of this example: a random id in a cookie, everything else in memory.
//
// Tokens never reach the browser. A restart signs everybody out here, not at Signet.

import { randomBytes } from 'node:crypto';

const SESSIONS_MAX = 1000;
const SESSION_TTL_SECONDS = 8 * 60 * 60;

export class Sessions {
  #byId = new Map();
  #cookieName;
  #attributes;

  // `secure` is true where browsers reach this application over https.
  constructor(secure) {
    // Cookies do not tell ports apart: the name must differ from that of any
    // other application on the same host.
    this.#cookieName = secure ? '__Host-rp-node' : 'rp-node';
    // Lax, because the way back from Signet is a navigation from another site.
    this.#attributes = `Path=/; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`;
  }

  // Returns the session that the request's cookie names, or undefined.
  find(request) {
    const session = this.#byId.get(this.#cookieOf(request));
    if (session === undefined) return undefined;
    if (session.expiresAt <= Date.now()) {
      this.#byId.delete(session.id);
      return undefined;
    }
    return session;
  }

  // Starts a session under a new id and sets its cookie.
  start(response, content) {
    // A Map keeps the order of insertion: the first key is the oldest session.
    if (this.#byId.size >= SESSIONS_MAX) this.#byId.delete(this.#byId.keys().next().value);
    const id = randomBytes(32).toString('base64url');
    const session = { ...content, id, expiresAt: Date.now() + SESSION_TTL_SECONDS * 1000 };
    this.#byId.set(id, session);
    response.setHeader('Set-Cookie', `${this.#cookieName}=${id}; ${this.#attributes}`);
    return session;
  }

  // Ends a session and takes its cookie back.
  end(response, session) {
    this.#byId.delete(session.id);
    response.setHeader('Set-Cookie', `${this.#cookieName}=; Max-Age=0; ${this.#attributes}`);
  }

  #cookieOf(request) {
    for (const pair of (request.headers.cookie ?? '').split(';')) {
      const equals = pair.indexOf('=');
      if (pair.slice(0, equals).trim() === this.#cookieName) return pair.slice(equals + 1).trim();
    }
    return undefined;
  }
}
