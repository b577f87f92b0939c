#!/bin/sh
# Runs one media tool with a clean environment and with limits, in place of this shell: the pid stays, so
# signals reach the tool itself. Options come first, everything after them is the tool's.
set -u
tool=ffmpeg
while [ $# -gt 0 ]; do
  case "$1" in
    --tool=*) tool=${1#--tool=} ;;
    --address-space-kib=*) ulimit -v "${1#*=}" 2>/dev/null ;; # macOS has no such limit
    --cpu-seconds=*) ulimit -t "${1#*=}" ;;
    --) shift; break ;;
    *) break ;;
  esac
  shift
done
ulimit -c 0

# Where it exists, setpriv takes the way to new privileges and ends the tool when its parent is killed.
if command -v setpriv >/dev/null 2>&1; then
  set -- setpriv --no-new-privs --pdeathsig KILL "$tool" "$@"
else
  set -- "$tool" "$@"
fi
# SVT-AV1 would tell its settings on stderr, whatever ffmpeg is told.
exec env -i PATH="$PATH" HOME="$PWD" TMPDIR="$PWD" LC_ALL=C SVT_LOG=1 "$@"
