#!/usr/bin/env bash
# Both commands of the README on a bare system: a debootstrap of each suite, a clone of HEAD in it, `make demo` twice, `make check`.
# Run by hand as root; needs debootstrap and the network, some 3 GB a suite and 5 to 20 minutes, hours on a machine that is full (HGM_LIMIT=7200).
#   tests/fresh.sh [bookworm|trixie|noble …]  MIRROR: of the packages, else what apt here reads (noble: an Ubuntu mirror has to be named);
#                                             LOGS: the folder of the logs SUITE.STEP, else build/fresh; KEEP=1: leaves the system for a look
set -u
cd "$(dirname "$0")/.."
[ "$(id -u)" -eq 0 ] || { echo "needs root"; exit 2; }
command -v debootstrap > /dev/null || { echo "needs debootstrap: apt-get install debootstrap"; exit 2; }
mirror=${MIRROR:-$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2> /dev/null | grep -v '^#' | grep -oE 'https?://[^ ]+' | head -n 1)}
suites=${*:-bookworm trixie}
shared=$(realpath ../shared 2> /dev/null)
logs=${LOGS:-build/fresh}; mkdir -p "$logs" || exit 2
status=0

inside() { # in the system, with as few of this shell's variables as can be
  chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 ${JOBS:+JOBS=$JOBS} ${HGM_LIMIT:+HGM_LIMIT=$HGM_LIMIT} "$@"
}

step() { # name command …: says how long it took and how it ended
  local name=$1 log=$logs/$suite.$1 began=$SECONDS; shift
  "$@" > "$log" 2>&1; local code=$?
  echo "$suite: $name: exit $code, $((SECONDS - began)) s: $(grep -av '^$' "$log" | tail -n 1)"
  [ $code -eq 0 ] || { status=1; echo "$suite: $name: the log is $log"; grep -aE 'FAILED|error|Error' "$log" | head -n 20; }
  return $code
}

ubuntu() { # as its images are: with universe and the updates, which hold LLVM 19
  printf 'deb %s %s main universe\n' "$mirror" "$suite" "$mirror" "$suite-updates" > "$root/etc/apt/sources.list"
}

leave() {
  umount -l "$root/proc" "$root/dev" "$root/shared" 2> /dev/null
  [ -n "${KEEP:-}" ] && echo "$suite: left in $root" || rm -rf --one-file-system "$root"
}

for suite in $suites; do
  root=$(mktemp -d "${TMPDIR:-/var/tmp}/fresh.$suite.XXXX"); chmod 755 "$root"
  trap leave EXIT
  script=; [ -e "/usr/share/debootstrap/scripts/$suite" ] || script=gutsy # of every Ubuntu since that one
  step debootstrap debootstrap --variant=minbase "$suite" "$root" "$mirror" $script || { leave; continue; }
  [ -e "$root/etc/lsb-release" ] && ubuntu
  cp /etc/resolv.conf "$root/etc/"
  mount --bind /dev "$root/dev"; mount -t proc proc "$root/proc"
  if [ -d "$shared" ]; then mkdir -p "$root/shared"; mount --bind -o ro "$shared" "$root/shared"; fi
  step make inside sh -c 'apt-get update && apt-get install -y --no-install-recommends make'
  git -c advice.detachedHead=false clone -q . "$root/hgm"
  step demo inside make -C /hgm demo && step demo_again inside make -C /hgm demo && step check inside make -C /hgm check
  leave
  trap - EXIT
done
exit $status
