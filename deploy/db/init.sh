#!/usr/bin/env bash
# Makes everything that Signet needs on a PostgreSQL server: roles, a login for the service, the database;
# then lets the binary migrate and seed it. A second run changes nothing.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: init.sh [options]

Makes, where they are absent, the roles owner, app_user, app_platform, audit_ro and audit_retention, a login for the
service, and the database; then runs `signet migrate up --seed`, the one runner and the one seeder. Run it again at any time:
what is there is left alone.

  -h, --help              this text
  -H, --host HOST         server, a name, an address or a socket directory   (DB_HOST, PGHOST; 127.0.0.1)
  -P, --port PORT         its port                                           (DB_PORT, PGPORT; 5432)
  -u, --user USER         an administrator of the server                     (DB_USER, PGUSER; postgres)
  -p, --password TEXT     the administrator's password; better in PGPASSWORD or ~/.pgpass, which `ps` does not show
  -d, --database NAME     the database to make                               (DB_NAME, PGDATABASE; openidaas)
      --service-user NAME the login that Signet will use                     (SERVICE_USER; signet)
      --with-demo         also make the demo user `testuser`                 (SIGNET_DEMO=true)
      --dry-run           say what would be done, change nothing

Parts. Tables, indexes and partitions come from the same migrations and cannot be had one without the other:
      --skip-migration    make roles, login and database only; no tables, no data
      --skip-init-data    migrate, but make no default tenant, administrator, roles and clients
      --skip-schema, --skip-index, --skip-partition
                          refused, with this reason, unless --skip-migration leaves all of them out

Environment besides the above
  SERVICE_PASSWORD      the service's password; without it one is made and printed once, when the login is made
  SIGNET_BIN            the binary; else target/release/signet, target/debug/signet, then PATH
  SIGNET_ROOT_KEY, SIGNET_ROOT_KEY_FILE
                        the root key that seals secrets; without both, a key file is made at
                        ${XDG_CONFIG_HOME:-~/.config}/signet/root.key and used again by the next run
  DB_LOCALE             locale of a new database (C.UTF-8). With C, searching for Chinese names has no index.

Exit status: 0 done, 1 a step failed (the failing statement is shown), 2 the arguments are wrong.
TEXT
}

fail() { printf 'init.sh: %s\n' "$1" >&2; exit "${2:-1}"; }
say() { printf '%s\n' "$1"; }

host=${DB_HOST:-${PGHOST:-127.0.0.1}}
port=${DB_PORT:-${PGPORT:-5432}}
user=${DB_USER:-${PGUSER:-postgres}}
database=${DB_NAME:-${PGDATABASE:-openidaas}}
service=${SERVICE_USER:-signet}
locale=${DB_LOCALE:-C.UTF-8}
demo=${SIGNET_DEMO:-false}
dry_run=false skip_data=false skip_migration=false refused=''

need() { [ $# -ge 2 ] && [ -n "$2" ] || fail "$1 needs a value; see --help" 2; }
while [ $# -gt 0 ]; do
    case $1 in
        -h|--help) usage; exit 0 ;;
        -H|--host) need "$@"; host=$2; shift ;;
        -P|--port) need "$@"; port=$2; shift ;;
        -u|--user) need "$@"; user=$2; shift ;;
        -d|--database) need "$@"; database=$2; shift ;;
        -p|--password) need "$@"; export PGPASSWORD=$2; shift ;;
        --service-user) need "$@"; service=$2; shift ;;
        --skip-schema|--skip-index|--skip-partition) refused=$1 ;;
        --skip-init-data) skip_data=true ;;
        --skip-migration) skip_migration=true ;;
        --with-demo) demo=true ;;
        --dry-run) dry_run=true ;;
        *) fail "unknown argument \`$1\`; see --help" 2 ;;
    esac
    shift
done

if [ -n "$refused" ] && ! $skip_migration; then
    fail "$refused: tables, indexes and partitions come from the same migrations and are made together; leave \
the option out, or add --skip-migration to make roles, login and database only" 2
fi
[[ $port =~ ^[0-9]{1,5}$ ]] || fail "the port is \`$port\`; expected a number" 2
for name in "$user" "$database" "$service"; do
    [[ $name =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$ ]] ||
        fail "\`$name\` is no name for a role or database here: expected letters, digits, _ . -" 2
done
case $service in
    owner|app_user|app_platform|audit_ro|audit_retention|"$user")
        fail "the service needs a login of its own, not \`$service\`" 2 ;;
esac
command -v psql >/dev/null || fail "psql is not installed: install the client of PostgreSQL 15 or later"

# Statements come on standard input; the first that fails is shown and ends the run.
sql() {
    local where=$1
    shift
    PGOPTIONS='-c client_min_messages=warning' psql -XAtq -v ON_ERROR_STOP=1 -v ECHO=errors \
        -h "$host" -p "$port" -U "$user" -d "$where" \
        -v database="$database" -v service="$service" -v locale="$locale" "$@"
}
ask() { sql postgres <<<"$1"; }

version=$(ask 'SHOW server_version_num') || fail "the server at $host:$port does not answer $user"
[ "$version" -ge 150000 ] || fail "the server is version $version; expected PostgreSQL 15 or later"
[ "$(ask 'SELECT rolsuper OR (rolcreaterole AND rolcreatedb) FROM pg_roles WHERE rolname = current_user')" = t ] ||
    fail "\`$user\` may not make roles and databases: use an administrator of the server"

missing_roles=$(ask "SELECT string_agg(r, ', ') FROM unnest(ARRAY['owner', 'app_user', 'app_platform', 'audit_ro', 'audit_retention']) r
    WHERE NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = r)")
has_service=$(ask "SELECT count(*) FROM pg_roles WHERE rolname = :'service'")
has_database=$(ask "SELECT count(*) FROM pg_database WHERE datname = :'database'")

plan() {
    local applied=''
    [ "$has_database" = 0 ] || applied=$(sql "$database" <<<"SELECT to_regclass('public.schema_migrations') IS NOT NULL")
    [ "$applied" != t ] || applied=$(sql "$database" <<<'SELECT string_agg(version, $$ $$ ORDER BY version) FROM schema_migrations')
    say "server      $host:$port, version $version, as $user"
    if [ -n "$missing_roles" ]; then say "roles       would make $missing_roles"; else say "roles       all there"; fi
    if [ "$has_service" = 0 ]; then say "login       would make $service"; else say "login       $service is there"; fi
    if [ "$has_database" = 0 ]; then say "database    would make $database, owned by owner, $locale, UTC"
    else say "database    $database is there"; fi
    if $skip_migration; then say "migrations  left out"; else say "migrations  would apply what is missing; applied: ${applied:-none}"; fi
    if $skip_migration || $skip_data; then say "data        left out"
    else say "data        would make the default data where there is none (demo user: $demo)"; fi
    say "dry run: nothing was changed"
}
if $dry_run; then
    plan
    exit 0
fi

find_binary() {
    local here root candidate
    here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
    root=$(dirname "$(dirname "$here")")
    for candidate in "${SIGNET_BIN:-}" "$root/target/release/signet" "$root/target/debug/signet" "$(command -v signet || true)"; do
        if [ -n "$candidate" ] && [ -x "$candidate" ]; then printf '%s' "$candidate"; return; fi
    done
    fail "the binary \`signet\` was not found: build it, or name it in SIGNET_BIN"
}
if ! $skip_migration; then signet=$(find_binary); fi

random() { od -An -N "$1" -tx1 /dev/urandom | tr -d ' \n'; }

# Two runs at once for two databases make the roles together: who comes second finds them.
sql postgres <<'SQL' || fail 'the roles could not be made'
DO $$
DECLARE
    v_role text;
BEGIN
    FOREACH v_role IN ARRAY ARRAY['owner', 'app_user', 'app_platform', 'audit_ro', 'audit_retention'] LOOP
        IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = v_role) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', v_role);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
            END;
        END IF;
    END LOOP;
END
$$;
-- An administrator who is no superuser must be a member of a role to give objects to it.
SELECT format('GRANT owner, app_user, app_platform TO %I', current_user)
WHERE NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
    AND NOT pg_has_role(current_user, 'owner', 'MEMBER') \gexec
SQL
[ -z "$missing_roles" ] || say "made the roles $missing_roles"

if [ "$has_service" = 0 ]; then
    # NOINHERIT: the login has no right of its own, only those of the role that a statement runs as.
    sql postgres <<'SQL' || fail 'the login of the service could not be made'
CREATE ROLE :"service" LOGIN NOINHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
SQL
    generated=''
    if [ -z "${SERVICE_PASSWORD:-}" ]; then
        SERVICE_PASSWORD=$(random 24)
        generated=yes
    fi
    # Not through sql(): a failing statement would be shown with the password in it.
    SERVICE_PASSWORD=$SERVICE_PASSWORD psql -XAtq -v ON_ERROR_STOP=1 -h "$host" -p "$port" -U "$user" -d postgres \
        -v service="$service" >/dev/null 2>&1 <<'SQL' || fail 'the password of the service could not be set'
\getenv password SERVICE_PASSWORD
ALTER ROLE :"service" PASSWORD :'password';
SQL
    say "made the login $service"
    [ -z "$generated" ] || say "its password, shown only now: $SERVICE_PASSWORD"
fi
sql postgres <<'SQL' || fail 'the login could not be made a member of the roles'
SELECT format('GRANT %I TO %I', r, :'service')
FROM unnest(ARRAY['owner', 'app_user', 'app_platform']) r
WHERE NOT pg_has_role(:'service', r, 'MEMBER') \gexec
SQL

if [ "$has_database" = 0 ]; then
    sql postgres <<'SQL' || fail 'the database could not be made'
CREATE DATABASE :"database" OWNER owner ENCODING 'UTF8' LOCALE :'locale' TEMPLATE template0;
SQL
    say "made the database $database"
fi
sql postgres <<'SQL' || fail 'the database could not be handed over to its roles'
SELECT format('ALTER DATABASE %I OWNER TO owner', datname) FROM pg_database
WHERE datname = :'database' AND datdba <> 'owner'::regrole \gexec
SELECT format('ALTER DATABASE %I SET timezone = ''UTC''', datname) FROM pg_database d
WHERE datname = :'database' AND NOT EXISTS (
    SELECT 1 FROM pg_db_role_setting s WHERE s.setdatabase = d.oid AND s.setrole = 0
        AND 'TimeZone=UTC' = ANY (s.setconfig)) \gexec
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO :"service", audit_ro, audit_retention;
SQL

if $skip_migration; then
    say "roles, login and database are ready; migrations were left out"
    exit 0
fi

if [ -z "${SIGNET_ROOT_KEY:-}" ] && [ -z "${SIGNET_ROOT_KEY_FILE:-}" ] && ! $skip_data; then
    SIGNET_ROOT_KEY_FILE=${XDG_CONFIG_HOME:-$HOME/.config}/signet/root.key
    if [ ! -e "$SIGNET_ROOT_KEY_FILE" ]; then
        (umask 077 && mkdir -p "$(dirname "$SIGNET_ROOT_KEY_FILE")" && random 32 >"$SIGNET_ROOT_KEY_FILE")
        say "made the root key $SIGNET_ROOT_KEY_FILE: keep a copy apart from the database, every node needs it"
    fi
    export SIGNET_ROOT_KEY_FILE
fi

# The administrator's connection, so that no password of the service is needed: the runner acts as `owner`, the
# seeder as `app_platform`. The password stays in PGPASSWORD or ~/.pgpass.
case $host in
    /*) url="postgres://$user@localhost:$port/$database?host=${host//\//%2F}" ;;
    *) url="postgres://$user@$host:$port/$database" ;;
esac
export SIGNET_DATABASE_URL=$url SIGNET_DATABASE_ALLOW_SUPERUSER=true SIGNET_DEMO=$demo
# The binary refuses variables of its own prefix that it does not know.
unset SIGNET_BIN
if $skip_data; then
    "$signet" migrate up || fail 'the migrations stopped: the message above names the one that failed'
else
    "$signet" migrate up --seed || fail 'migrations or default data stopped: the message above says where'
fi
"$signet" migrate verify || fail 'the database is not as it should be'

sql "$database" <<'SQL'
SELECT 'tables ' || count(*) FILTER (WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition)
    || ', audit months ' || (SELECT count(*) FROM pg_inherits WHERE inhparent = 'audit_logs'::regclass) - 1
    || ', indexes ' || count(*) FILTER (WHERE c.relkind IN ('i', 'I') AND NOT c.relispartition)
    || ', behind row-level security ' || count(*) FILTER (WHERE c.relrowsecurity)
    || ', migrations ' || (SELECT count(*) FROM schema_migrations)
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace;
SQL
say "ready: start Signet with SIGNET_DATABASE_URL=postgres://$service:PASSWORD@$host:$port/$database"
