#!/usr/bin/env bash
# Installs the Debian packages named as arguments that are missing, as root or through sudo.
missing=()
for package in "$@"; do
  dpkg-query -W -f '${Status}' "$package" 2> /dev/null | grep -q 'ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
if ! command -v apt-get > /dev/null; then
  echo "hgm needs these packages, and there is no apt-get here to install them: ${missing[*]}" >&2; exit 2
fi
as_root=
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo > /dev/null; then
    echo "hgm needs these packages; as root: apt-get install ${missing[*]}" >&2; exit 2
  fi
  as_root=sudo
fi
echo "installing ${missing[*]}"
log=$(mktemp)
if ! { $as_root apt-get update && DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y --no-install-recommends "${missing[@]}"; } > "$log" 2>&1 < /dev/null; then
  tail -n 20 "$log" >&2
  echo "could not install ${missing[*]}; as root: apt-get install ${missing[*]}" >&2; exit 2
fi
rm -f "$log"
