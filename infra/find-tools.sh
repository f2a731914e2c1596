#!/bin/sh
# Chromium and node >= 18 for the tests. Missing, they are installed through apt when that is
# possible without a question; else the command to type is printed.
set -eu

have_chromium() {
  [ -n "${CHROMIUM:-}" ] || command -v chromium >/dev/null || command -v chromium-browser >/dev/null ||
    command -v google-chrome >/dev/null || [ -x "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" ]
}
have_node() {
  command -v npm >/dev/null && command -v node >/dev/null &&
    node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 18 ? 1 : 0)'
}

missing=""
have_chromium || missing="$missing chromium"
have_node || missing="$missing nodejs npm"
[ -n "$missing" ] || exit 0

if command -v apt-get >/dev/null; then
  if [ "$(id -u)" = 0 ]; then sudo=""; elif sudo -n true 2>/dev/null; then sudo="sudo -n"; else sudo="none"; fi
  if [ "$sudo" != none ]; then
    echo "Installing for the tests:$missing"
    $sudo apt-get update -qq
    # shellcheck disable=SC2086 # a list of package names
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
    have_chromium && have_node && exit 0
    echo "apt has no node of version 18 or newer here; install one from nodejs.org" >&2
    exit 1
  fi
  echo "The tests need:$missing. Install with: sudo apt install$missing" >&2
else
  echo "The tests need Chromium (or Google Chrome) and node 18 or newer." >&2
  echo "On macOS with Homebrew: brew install --cask google-chrome && brew install node" >&2
fi
exit 1
