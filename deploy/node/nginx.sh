# shellcheck shell=sh
# nginx as the configuration names it: argument lists, run as they are, never as shell text.

# The argument list `$1` of the order, after the words of $2 that shall stand before it.
configured() {
  list=$1
  shift
  while IFS= read -r line; do
    case $line in "$list "*) set -- "$@" "${line#* }" ;; esac
  done <<END
$order
END
  "$@"
}

# At most $limit seconds. TERM is ignored here, and so by children: only KILL ends a hanging one.
bounded() {
  if command -v timeout >/dev/null; then
    timeout -s KILL "$limit" "$@"
    return
  fi
  "$@" &
  child=$!
  (
    sleep "$limit"
    kill -KILL "$child"
  ) >/dev/null 2>&1 &
  watchdog=$!
  wait "$child"
  set -- "$?"
  kill -KILL "$watchdog"
  return "$1"
}

# What "$@" says, of that what the sed command $1 leaves, then a line that gives its exit status. There sed
# stops: a process that was left behind may hold the pipe open for ever.
told() {
  keep=$1
  shift
  {
    bounded "$@" 2>&1
    printf '\n%s exit %s\n' "$token" "$?"
  } | sed -e "/^$token exit /q" -e "$keep"
}

# Runs "$@" without the lock's descriptor: what it says first into $said, its exit status into $status.
hear() {
  said=$(told "100,\$d" "$@" 9<&-)
  status=${said##* } said=${said%"$token exit "*}
  [ "${#said}" -le 8192 ] || said=$(printf '%.8192s' "$said")
  [ "$status" = 0 ]
}

running() {
  pid='' process=''
  [ ! -r /run/nginx.pid ] || read -r pid </run/nginx.pid
  numbered "$pid" && [ -r "/proc/$pid/comm" ] && read -r process <"/proc/$pid/comm"
  [ "$process" != nginx ] || return 0
  configured reload unit_of
  [ "$(systemctl is-active "$unit" 2>/dev/null)" = active ] || pidof nginx >/dev/null 2>&1
}

# `systemctl reload openresty` names another unit than nginx.
unit_of() {
  unit=nginx
  case ${1-}/${2-} in systemctl/reload | */systemctl/reload) unit=${3-nginx} ;; esac
}
