#!/bin/sh
# Chromium, node >= 18 and fonts of every script of the site, for the tests and for pictures.
# Missing, they are installed through apt when that is possible without a question; else the command
# to type is printed.
set -eu

have_chromium() {
  [ -n "${CHROMIUM:-}" ] || command -v chromium >/dev/null || command -v chromium-browser >/dev/null ||
    command -v google-chrome >/dev/null || [ -x "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" ]
}
have_node() {
  command -v npm >/dev/null && command -v node >/dev/null &&
    node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 18 ? 1 : 0)'
}
# For the languages of site/city/languages.yml. Urdu has a style of writing of its own, which few
# fonts with its letters have. macOS brings fonts for all of them.
have_fonts() {
  [ "$(uname)" = Darwin ] && return 0
  command -v fc-list >/dev/null || return 1
  for wanted in ":lang=ar" ":lang=bn" ":lang=ko" ":lang=ru" ":lang=zh-cn" ":lang=zh-tw" "Noto Nastaliq Urdu"; do
    [ -n "$(fc-list "$wanted" family)" ] || return 1
  done
}

missing=""
have_chromium || missing="$missing chromium"
have_node || missing="$missing nodejs npm"
have_fonts || missing="$missing fontconfig fonts-noto-core fonts-noto-cjk"
[ -n "$missing" ] || exit 0

if command -v apt-get >/dev/null; then
  if [ "$(id -u)" = 0 ]; then sudo=""; elif sudo -n true 2>/dev/null; then sudo="sudo -n"; else sudo="none"; fi
  if [ "$sudo" != none ]; then
    echo "Installing for the tests:$missing"
    $sudo apt-get update -qq
    # shellcheck disable=SC2086 # a list of package names
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
    have_node || { echo "apt has no node of version 18 or newer here; install one from nodejs.org" >&2; exit 1; }
    have_chromium || { echo "apt has no Chromium here; install it, or name it with CHROMIUM=" >&2; exit 1; }
    have_fonts || { echo "apt has not all of the Noto fonts here; install them from notofonts.github.io" >&2; exit 1; }
    exit 0
  fi
  echo "The tests need:$missing. Install with: sudo apt install$missing" >&2
elif [ "$(uname)" = Darwin ]; then
  echo "The tests need Google Chrome (or Chromium) and node 18 or newer; fonts are part of macOS." >&2
  echo "With Homebrew: brew install --cask google-chrome && brew install node" >&2
else
  echo "The tests need Chromium (or Google Chrome), node 18 or newer, fontconfig, and the fonts of" >&2
  echo "Noto: Sans, Sans Bengali, Nastaliq Urdu, Sans CJK." >&2
fi
exit 1
