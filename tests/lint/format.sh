#!/usr/bin/env bash
# Every C++ file is formatted as .clang-format says. Mend with: clang-format -i FILE
set -euo pipefail
cd "$(dirname "$0")/../.."
git ls-files -co --exclude-standard -- '*.cpp' '*.hpp' | while read -r file; do [ -f "$file" ] && echo "$file"; done |
  xargs clang-format --dry-run -Werror
