#!/usr/bin/env bash
# Runs the example as its README does, in a folder of its own: test.sh MAPPER.
set -euo pipefail
mapper=$1
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || true; rm -rf "$folder"' EXIT
sed "s|/tmp/thermostat|$folder|" "$here/device.yaml" >"$folder/device.yaml"

echo 21500 >"$folder/temperature"
echo 18 >"$folder/setpoint"
echo heat >"$folder/mode"
"$mapper" --local "$here/model.yaml" "$folder/device.yaml" --once | tee "$folder/out"
grep -qE 'default/thermostat +temperature +21\.5 +°C +ok' "$folder/out"
[ "$(cat "$folder/setpoint")" = 18 ] || { echo "--once wrote the desired value"; exit 1; }

rm "$folder/mode"
if "$mapper" --local "$here/model.yaml" "$folder/device.yaml" --once >"$folder/out"; then
  echo "a missing file must end with status 1"; exit 1
fi
grep -qE 'mode .*not_found' "$folder/out"

"$mapper" --local "$here/model.yaml" "$folder/device.yaml" >"$folder/out" & pid=$!
for _ in $(seq 100); do
  [ "$(cat "$folder/setpoint")" = 21 ] && break
  sleep 0.1
done
[ "$(cat "$folder/setpoint")" = 21 ] || { echo "the desired value was not written"; exit 1; }
kill -TERM "$pid"
wait "$pid"
pid=
