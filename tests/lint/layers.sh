#!/usr/bin/env bash
# The floors of docs/architecture.md, as a table: which folder may include what. The build enforces
# most of it (an upward include has no path); this catches the rest, and outside libraries that
# leave their folder. Prints every offence with the reason.
set -uo pipefail
cd "$(dirname "$0")/../.."
status=0

# sources FOLDER…: the C++ files git knows or would know below them.
sources() { git ls-files -co --exclude-standard -- "$@" | grep -E '\.(cpp|hpp)$'; }

# forbid REASON REGEX FOLDER…: no #include line below the folders may match.
forbid() {
  local reason=$1 regex=$2 files
  shift 2
  files=$(sources "$@") || return 0
  # shellcheck disable=SC2086
  if grep -nE "^#include [<\"]($regex)" $files /dev/null; then
    echo "  ^ $reason (docs/architecture.md, Floors)"
    status=1
  fi
}

# outside LIBRARY REGEX ALLOWED…: the library's headers appear only below the allowed folders.
outside() {
  local library=$1 regex=$2 offenders allowed
  shift 2
  allowed=$(printf '^%s|' "$@")
  offenders=$(sources base dmi mapper-sdk mappers devicetwin examples |
    grep -vE "${allowed%|}" | xargs -r grep -lE "^#include <($regex)") || return 0
  echo "$offenders"
  echo "  ^ $library is included by $* only (docs/architecture.md, Floors)"
  status=1
}

forbid "floor 0 knows no word of the domain" '(dmi|mapper|modbus|gige|devicetwin)/' base
forbid "floor 1 includes floors 0 and 1 only" '(mapper|modbus|gige|devicetwin)/' dmi
forbid "gRPC stays behind dmi/wire" 'dmi/wire/' dmi/include dmi/src
forbid "mappers and devicetwin never include each other" '(modbus|gige|devicetwin)/' mapper-sdk
forbid "mappers and devicetwin never include each other" '(gige|devicetwin)/' mappers/modbus
forbid "mappers and devicetwin never include each other" '(mapper|modbus|gige)/' devicetwin
forbid "the core is pure: no I/O" \
  '(boost/|sys/|unistd|fcntl|fstream|filesystem|iostream|dmi/wire/|base/(http|file)\.hpp)' devicetwin/core

outside libmodbus 'modbus/modbus\.h|modbus\.h' mappers/modbus
outside 'Aravis and GLib' 'arv\.h|glib|gio/' mappers/gige/src mappers/gige/tools
forbid "frames and outlets know no camera" 'gige/(camera|features|find|settings)\.hpp' mappers/gige/frames mappers/gige/outlets
outside zstd 'zstd' devicetwin/core
outside SQLite 'SQLiteCpp/|sqlite3\.h' devicetwin/sqlite devicetwin/store devicetwin/outbox devicetwin/history
outside Paho 'mqtt/|MQTTAsync' base/mqtt devicetwin/eventbus mappers/gige/outlets
outside libcurl 'curl/' base/post
outside 'libpng, libjpeg and libtiff' 'png\.h|jpeglib\.h|turbojpeg\.h|tiffio' mappers/gige/frames
outside Boost.Beast 'boost/beast' base/http
outside 'gRPC and protobuf' 'grpc|google/protobuf' dmi/wire
outside yaml-cpp 'yaml-cpp/' mapper-sdk
outside CLI11 'CLI/' mapper-sdk devicetwin/main.cpp mappers/modbus/plant mappers/modbus/sim mappers/modbus/tools mappers/gige/tools
outside spdlog 'spdlog/' base/src
outside OpenSSL 'openssl/' base/http devicetwin/kubeapi mappers/modbus/src mappers/gige/outlets

if sources base dmi mapper-sdk mappers devicetwin | xargs grep -nE 'catch \(\.\.\.\)' | grep -v '//'; then
  echo '  ^ catch (...) needs a comment on its line that names the boundary it guards'
  status=1
fi
exit $status
