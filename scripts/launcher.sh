#!/bin/sh
# The head of swarmd's portable form: the compressed program and its runtime
# follow. They are unpacked once, into a private folder named after their hash.
set -eu
umask 077
hash=@HASH@
head_size=@HEAD_SIZE@
program_size=@PROGRAM_SIZE@

fail() {
  echo "swarmd: error: $1" >&2
  exit 1
}

# Whether everything is there, ours, and out of reach of others. The hash was
# checked when it was unpacked: reading 100 MB at every start would cost more
# than the start.
intact() {
  bad=$(find "$cache" "$folder" "$folder/deno" "$folder/swarmd.js" -prune \
    -user "$user" \( -type d -perm 0700 -o -type f -perm 0500 \) \
    -o -print 2>&1) && [ -z "$bad" ]
}

payload() {
  tail -c "+$((head_size + 1))" "$self"
}

unpack() {
  have=$(payload | sha256sum)
  [ "${have%% *}" = "$hash" ] ||
    fail "Cannot unpack $self: the file is damaged"
  # What a killed start has left behind.
  find "$cache" -name '.new.*' -prune -mmin +60 -exec rm -rf {} +
  new=$(mktemp -d "$cache/.new.XXXXXX")
  trap 'rm -rf "$new"' EXIT
  trap 'exit 1' HUP INT TERM
  payload | head -c "$program_size" | gzip -dc >"$new/swarmd.js"
  payload | tail -c "+$((program_size + 1))" | gzip -dc >"$new/deno"
  chmod 0500 "$new/swarmd.js" "$new/deno"
  # Later starts trust the name: it must not come before the content on disk.
  sync "$new/swarmd.js" "$new/deno" 2>/dev/null || sync
  # Fails where another start was faster, which is as good.
  if ! mv -T "$new" "$folder" 2>/dev/null && ! intact; then
    rm -rf "$folder"
    mv -T "$new" "$folder"
  fi
  trap - EXIT HUP INT TERM
  rm -rf "$new"
}

case $0 in
  /*) self=$0 ;;
  */*) self=$PWD/$0 ;;
  *)
    self=$PWD/$0
    [ -f "$self" ] || self=$(command -v -- "$0")
    ;;
esac
user=$(id -u)
for cache in \
  "${XDG_CACHE_HOME:+$XDG_CACHE_HOME/swarmd}" \
  "${HOME:+$HOME/.cache/swarmd}" \
  "${TMPDIR:-/tmp}/swarmd-$user"; do
  [ -n "$cache" ] || continue
  folder=$cache/$hash
  intact && break
  mkdir -p "$cache" 2>/dev/null && chmod 0700 "$cache" 2>/dev/null || continue
  unpack
  break
done
intact || fail "Cannot unpack $self: no private folder, want \$HOME or \$XDG_CACHE_HOME"

case ${1:-} in
  # The only command that starts processes.
  drill) set -- --allow-run "$folder/swarmd.js" "$@" ;;
  *) set -- "$folder/swarmd.js" "$@" ;;
esac
export SWARMD_SELF="$self" DENO_NO_UPDATE_CHECK=1
exec "$folder/deno" run --no-config --no-lock --no-npm --no-remote \
  --no-prompt @FLAGS@ "$@"
