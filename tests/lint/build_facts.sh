#!/usr/bin/env bash
# What base/build_facts.cmake says of a tree: HEAD's commit and date, SOURCE_DATE_EPOCH before
# that, VERSION's date without a repository; and that it leaves the file alone when nothing changed.
set -uo pipefail
script=$(cd "$(dirname "$0")/../.." && pwd)/base/build_facts.cmake
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
unset SOURCE_DATE_EPOCH
status=0

# expect WHAT TEXT…: the header has each of the texts.
expect() {
  local what=$1 text
  shift
  cmake -DSOURCE="$tree/source" -DOUT="$tree/out.hpp" -P "$script" || status=1
  for text in "$@"; do
    grep -qF -- "$text" "$tree/out.hpp" && continue
    echo "$what: no \"$text\" in:"
    cat "$tree/out.hpp"
    status=1
  done
}
commit() {
  GIT_COMMITTER_DATE="@$1 +0200" git -C "$tree/source" -c user.name=a -c user.email=a@b \
    commit -q --allow-empty -m x
}

mkdir "$tree/source"
echo "1.20.3 2026-08-09" >"$tree/source/VERSION"
# The folder may lie in somebody else's repository.
git init -q "$tree"
expect "no repository" '"1.20.3"' '"no commit"' 'year(2026) / 8 / 9)'

git init -q "$tree/source"
expect "no commit yet" '"no commit"' 'year(2026) / 8 / 9)'
commit 1900000000
expect "a commit" "\"$(git -C "$tree/source" rev-parse --short=12 HEAD)\"" 'seconds(1900000000)'
touch -d @1 "$tree/out.hpp"
expect "the same again"
[ "$(stat -c %Y "$tree/out.hpp")" = 1 ] || { echo "written although nothing changed"; status=1; }
commit 1900000060
expect "another commit" "\"$(git -C "$tree/source" rev-parse --short=12 HEAD)\"" 'seconds(1900000060)'
SOURCE_DATE_EPOCH=1800000000 expect "SOURCE_DATE_EPOCH" 'seconds(1800000000)'

echo "1.20" >"$tree/source/VERSION"
if cmake -DSOURCE="$tree/source" -DOUT="$tree/out.hpp" -P "$script" 2>/dev/null; then
  echo "a VERSION without a date is taken"
  status=1
fi
exit $status
