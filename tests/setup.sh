#!/bin/bash
# Installs what the tests need beside Rust: Node and npm, Python's venv, Redis, openssl for certificates and Chromium (from
# Debian's packages), and the clients of tests/clients. Quick when all is there already.
set -euo pipefail
cd "$(dirname "$0")/.."

clients=tests/clients
oldest_node=$(sed -nE 's/.*"node": ">=(.+)".*/\1/p' $clients/package.json)
node=$(node --version 2>/dev/null | tr -d v || true)

missing=()
printf '%s\n' "$oldest_node" "$node" | sort --version-sort --check=quiet && command -v npm >/dev/null || missing+=(nodejs npm)
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3 python3-venv)
command -v redis-server >/dev/null || missing+=(redis-server)
[ -x /usr/bin/chromium ] || missing+=(chromium)
command -v openssl >/dev/null || missing+=(openssl)

if [ ${#missing[@]} -gt 0 ]; then
    echo "installing ${missing[*]}"
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update -qq
    # Some 550 packages, as Debian's npm needs them, each with three lines: only what goes wrong is worth reading.
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

if ! cmp -s $clients/package-lock.json $clients/node_modules/.installed-lock; then
    (cd $clients && npm ci --no-audit --no-fund)
    cp $clients/package-lock.json $clients/node_modules/.installed-lock
fi

requirements=$clients/python/requirements.txt
venv=target/venv
if ! cmp -s $requirements $venv/installed-requirements.txt; then
    python3 -m venv --clear $venv
    $venv/bin/pip install --quiet --disable-pip-version-check --requirement $requirements
    cp $requirements $venv/installed-requirements.txt
fi
