#!/usr/bin/env bash
# version.sh BUILD: every program says "NAME VERSION (COMMIT)" to --version, with the VERSION of the
# tree and one commit for all.
set -uo pipefail
source=$(cd "$(dirname "$0")/../.." && pwd)
build=$1
status=0
read -r version _ <"$source/VERSION"

first=
for program in devicetwin/devicetwin mappers/modbus/modbus-mapper mappers/modbus/modbus-sim \
  mappers/modbus/modbus-plant mappers/gige/gige-mapper examples/textfile-mapper \
  tests/gige-generator; do
  said=$("$build/$program" --version) || { echo "$program --version: exit status $?"; status=1; }
  name=${program##*/}
  commit=${said#"$name $version ("}
  commit=${commit%)}
  : "${first:=$commit}"
  if ! [[ $said == "$name $version ($commit)" && $commit =~ ^([0-9a-f]{12,}|no commit)$ ]]; then
    echo "$program --version says \"$said\", not \"$name $version (COMMIT)\""
    status=1
  elif [ "$commit" != "$first" ]; then
    echo "$program is of $commit, others of $first"
    status=1
  fi
done
exit $status
