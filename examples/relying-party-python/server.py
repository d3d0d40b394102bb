"""A web application that signs people in with Signet through Authlib and Flask.

Reading order: configuration, the provider, the routes, the answers.
"""

import ipaddress
import logging
import os
import secrets
import signal
import sys
import threading
import time
import warnings
from collections import OrderedDict
from urllib.parse import urljoin, urlsplit

import requests
from authlib.integrations.flask_client import OAuth, OAuthError
from flask import Flask, jsonify, make_response, redirect, request, session
from joserfc.errors import JoseError, SecurityWarning
from markupsafe import escape
from werkzeug.exceptions import HTTPException
from werkzeug.serving import make_server

# --- Configuration ------------------------------------------------------------


def is_secure(address: str) -> bool:
    """Whether an address is https, or http on this machine."""
    parts = urlsplit(address)
    if parts.scheme == "https":
        return True
    host = parts.hostname or ""
    if parts.scheme != "http":
        return False
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def required(name: str) -> str:
    """Returns an environment variable, or ends the program."""
    value = os.environ.get(name)
    if not value:
        print(f"set {name}; see README.md", file=sys.stderr)
        sys.exit(2)
    return value


PORT = int(os.environ.get("PORT") or 3001)
ISSUER = required("ISSUER")
CLIENT_ID = required("CLIENT_ID")
CLIENT_SECRET = os.environ.get("CLIENT_SECRET") or None
REDIRECT = os.environ.get("REDIRECT") or f"http://localhost:{PORT}/callback"
SCOPE = os.environ.get("SCOPE") or "openid profile email offline_access"
HOME = urljoin(REDIRECT, "/")

SESSIONS_MAX = 1000
SESSION_TTL_SECONDS = 8 * 60 * 60
PENDING_LOGINS_MAX = 5
PROVIDER_TIMEOUT_SECONDS = 10
CLOCK_LEEWAY_SECONDS = 30
# Algorithms with a public key only: "none" and the shared-secret ones prove nothing here.
ID_TOKEN_ALGORITHMS = {"EdDSA", "Ed25519", "ES256", "ES384", "PS256", "RS256"}

if not is_secure(ISSUER):
    print(f"ISSUER is `{ISSUER}`; expected https, or http on localhost", file=sys.stderr)
    sys.exit(2)

# RFC 9864 gives EdDSA over Ed25519 a second name; providers and libraries still use the first.
warnings.filterwarnings("ignore", message="EdDSA is deprecated", category=SecurityWarning)

log = logging.getLogger("relying-party")
logging.basicConfig(level=logging.WARNING, format="%(message)s")

app = Flask(__name__)
# Signs the cookie. It changes at every start, which signs everybody out here, not at Signet.
app.secret_key = secrets.token_bytes(32)
app.config.update(
    # Cookies do not tell ports apart: the name must differ from that of any other
    # application on the same host.
    SESSION_COOKIE_NAME="rp-python",
    SESSION_COOKIE_HTTPONLY=True,
    # Lax, because the way back from Signet is a navigation from another site.
    SESSION_COOKIE_SAMESITE="Lax",
    SESSION_COOKIE_SECURE=REDIRECT.startswith("https:"),
)

# --- The provider -------------------------------------------------------------

oauth = OAuth(app)
oauth.register(
    name="signet",
    client_id=CLIENT_ID,
    client_secret=CLIENT_SECRET,
    server_metadata_url=f"{ISSUER}/.well-known/openid-configuration",
    client_kwargs={
        "code_challenge_method": "S256",
        "token_endpoint_auth_method": "client_secret_basic" if CLIENT_SECRET else "none",
        "default_timeout": PROVIDER_TIMEOUT_SECONDS,
    },
)


class ProviderError(Exception):
    """The provider says something that it must not say."""


def provider():
    """Returns the client after checking what discovery says about the provider.

    Discovery is asked when it is first needed, so that this application may start before
    Signet does. Authlib trusts the document as it is; OpenID Connect Discovery 4.3 asks for
    more: "The issuer value returned MUST be identical to the Issuer URL".
    """
    metadata = oauth.signet.load_server_metadata()
    if metadata.get("issuer") != ISSUER:
        raise ProviderError(f"discovery is of `{metadata.get('issuer')}`, expected `{ISSUER}`")
    for name in ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "end_session_endpoint"):
        if not is_secure(metadata.get(name, "")):
            raise ProviderError(f"discovery has no secure `{name}`")
    offered = metadata.get("id_token_signing_alg_values_supported", [])
    metadata["id_token_signing_alg_values_supported"] = [a for a in offered if a in ID_TOKEN_ALGORITHMS]
    return oauth.signet


# `iss` and `aud` are named because Authlib checks only what it is told to.
ID_TOKEN_CLAIMS = {
    "iss": {"essential": True, "value": ISSUER},
    "aud": {"essential": True, "value": CLIENT_ID},
}

# --- Who is signed in ---------------------------------------------------------


class Person:
    """A signed-in person and their tokens, which never reach the browser."""

    def __init__(self, token, claims):
        self.id_token = token["id_token"]
        self.claims = dict(claims)
        self.access_token = token["access_token"]
        self.refresh_token = token.get("refresh_token")
        self.expires_at = time.monotonic() + SESSION_TTL_SECONDS
        # A refresh token serves once, and using it twice looks like theft to the provider:
        # requests of one session take turns.
        self.refreshing = threading.Lock()


people: "OrderedDict[str, Person]" = OrderedDict()


def find_person():
    """Returns who is signed in by the request's cookie, or None."""
    key = session.get("person", "")
    person = people.get(key)
    if person is not None and person.expires_at <= time.monotonic():
        people.pop(key, None)
        return None
    return person


def sign_in(person: Person) -> None:
    """Starts a session under a new id: one planted before the sign-in is worth nothing."""
    sign_out()
    while len(people) >= SESSIONS_MAX:
        people.popitem(last=False)
    session["person"] = secrets.token_urlsafe(32)
    people[session["person"]] = person


def sign_out() -> None:
    """Ends the session on this side."""
    people.pop(session.get("person", ""), None)
    session.clear()


# --- The routes ---------------------------------------------------------------


@app.get("/")
def home():
    person = find_person()
    if person is None:
        return page(200, "home", False, '<h1>Signed out</h1><p><a href="/login">Sign in with Signet</a></p>')
    claims = person.claims
    name = claims.get("name") or claims.get("preferred_username") or claims["sub"]
    return page(
        200,
        "home",
        True,
        f"<h1>Signed in</h1><p>You are <strong>{escape(name)}</strong>.</p>"
        '<p><a href="/me">Who am I?</a> · <a href="/refresh">Refresh the tokens</a> · '
        '<a href="/logout">Sign out</a></p>',
    )


@app.get("/login")
def login():
    client = provider()
    # Authlib keeps state, nonce and code verifier of each sign-in under way in the signed
    # cookie, so that a code from another browser is refused. Two tabs may each have one; a
    # cookie has 4 KB, so the oldest give way.
    under_way = sorted((key for key in session if key.startswith("_state_")), key=lambda key: session[key]["exp"])
    for key in under_way[: max(0, len(under_way) - PENDING_LOGINS_MAX + 1)]:
        session.pop(key)
    # The scope is given here and not when the client is registered: Authlib would repeat it at
    # each refresh, which the provider refuses if the person was granted less.
    return client.authorize_redirect(REDIRECT, scope=SCOPE)


@app.get(urlsplit(REDIRECT).path)
def callback():
    client = provider()
    state = request.args.get("state")
    if not state or client.framework.get_state_data(session, state) is None:
        return sign_in_failed("state_unknown", "this browser has not started this sign-in, or has finished it")

    # RFC 9207 section 2.4: "clients MUST compare the issuer identifier [...] to the value of
    # the iss parameter". Signet always sends it, so its absence is refused too.
    issuers = request.args.getlist("iss")
    if issuers != [ISSUER]:
        client.framework.clear_state_data(session, state)
        return sign_in_failed("iss_missing" if not issuers else "iss_mismatch", "the answer is not from our provider")

    try:
        token = client.authorize_access_token(claims_options=ID_TOKEN_CLAIMS, leeway=CLOCK_LEEWAY_SECONDS)
        if "userinfo" not in token:
            raise ProviderError("the answer holds no ID token")
    except OAuthError as error:
        client.framework.clear_state_data(session, state)
        log.warning("sign-in failed: %s", error)
        return sign_in_failed(error.error, error.description or "")
    except requests.RequestException as error:
        log.warning("sign-in failed: %s", type(error).__name__)
        return sign_in_failed("provider_failed", "")
    except (JoseError, ProviderError, ValueError) as error:
        log.warning("sign-in failed: %s", error)
        return sign_in_failed("invalid_id_token", "")

    sign_in(Person(token, token["userinfo"]))
    return redirect(HOME, 303)


@app.get("/me")
def me():
    person = find_person()
    if person is None:
        return jsonify(error="not_signed_in"), 401
    userinfo = provider().userinfo(token={"access_token": person.access_token, "token_type": "Bearer"})
    # OpenID Connect Core 5.3.2: "The sub Claim in the UserInfo Response MUST be verified to
    # exactly match the sub Claim in the ID Token".
    if userinfo.get("sub") != person.claims["sub"]:
        raise ProviderError("userinfo is about another person")
    return jsonify(id_token_claims=person.claims, userinfo=userinfo)


@app.get("/refresh")
def refresh():
    person = find_person()
    if person is None:
        return jsonify(error="not_signed_in"), 401
    if person.refresh_token is None:
        return jsonify(error="no_refresh_token", error_description="ask for the scope `offline_access`"), 409
    try:
        with person.refreshing:
            return jsonify(rotate(person))
    except OAuthError as error:
        if error.error != "invalid_grant":
            raise
        # The provider has ended this sign-in. Say so, instead of keeping dead tokens.
        sign_out()
        return jsonify(error=error.error, error_description=error.description), 401


def rotate(person: Person) -> dict:
    """Exchanges the refresh token and says what changed."""
    client = provider()
    before = (person.refresh_token, person.access_token)
    token = client.fetch_access_token(grant_type="refresh_token", refresh_token=person.refresh_token)
    claims = None
    if "id_token" in token:
        claims = client.parse_id_token(token, None, claims_options=ID_TOKEN_CLAIMS, leeway=CLOCK_LEEWAY_SECONDS)
        # OpenID Connect Core 12.2: "its sub Claim Value MUST be the same as in the ID Token
        # issued when the original authentication occurred".
        if claims["sub"] != person.claims["sub"]:
            raise ProviderError("the refreshed ID token is about another person")

    person.access_token = token["access_token"]
    person.refresh_token = token.get("refresh_token") or person.refresh_token
    if claims is not None:
        person.id_token, person.claims = token["id_token"], dict(claims)
    return {
        "refreshed": True,
        "refresh_token_changed": person.refresh_token != before[0],
        "access_token_changed": person.access_token != before[1],
        "id_token_returned": claims is not None,
        "expires_in": token.get("expires_in"),
        "scope": token.get("scope"),
    }


@app.get("/logout")
def logout():
    person = find_person()
    # First here, whatever becomes of the rest; then at the provider.
    sign_out()
    if person is None:
        return redirect(HOME, 303)
    answer = provider().create_logout_url(
        post_logout_redirect_uri=HOME, id_token_hint=person.id_token, client_id=CLIENT_ID
    )
    return redirect(answer["url"], 303)


@app.get("/favicon.ico")
def favicon():
    # Browsers ask for an icon on their own; without an answer they log an error.
    return "", 204


# --- The answers --------------------------------------------------------------


def page(status: int, name: str, signed_in: bool, body: str):
    """Returns a page; `body` is HTML with everything from outside escaped."""
    return make_response(
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>Relying party (Python)</title></head>'
        f'<body><main data-page="{name}" data-signed-in="{str(signed_in).lower()}">{body}</main></body></html>',
        status,
    )


def sign_in_failed(code: str, detail: str):
    return page(
        400,
        "error",
        False,
        f"<h1>Sign-in failed</h1><p><code>{escape(code)}</code> {escape(detail)}</p>"
        '<p><a href="/">Back</a></p>',
    )


@app.after_request
def protect(response):
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


@app.errorhandler(HTTPException)
def refused(error):
    return jsonify(error=error.name.lower().replace(" ", "_")), error.code


@app.errorhandler(OAuthError)
def provider_refused(error):
    log.error("the provider refused: %s", error)
    return jsonify(error=error.error, error_description=error.description), 502


@app.errorhandler(ProviderError)
@app.errorhandler(JoseError)
def provider_wrong(error):
    log.error("the provider failed: %s", error)
    return jsonify(error="provider_failed"), 502


@app.errorhandler(requests.RequestException)
def provider_unreachable(error):
    # Only the kind: the text of these errors may quote a response, with tokens in it.
    log.error("the provider failed: %s", type(error).__name__)
    return jsonify(error="provider_failed"), 502


def main() -> None:
    # The access log would hold codes and states.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", PORT, app, threaded=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"ready on http://localhost:{PORT}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
