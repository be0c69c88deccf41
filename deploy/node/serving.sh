# shellcheck shell=sh
# What reads certificates, as the configuration names it: argument lists, run as they are, never as shell text.
# $service is the one that is meant.

# The argument list `$1` of $service in the order, after the words of $2 that shall stand before it.
configured() {
  list="$1 $service"
  shift
  while IFS= read -r line; do
    case $line in "$list "*) set -- "$@" "${line#"$list "}" ;; esac
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

# Of a service of one's own that systemd does not know, nothing can be said: it is taken to be running.
running() {
  pid_file='' programs='' unit=''
  case $service in
    nginx) pid_file=/run/nginx.pid programs=nginx unit=nginx ;;
    haproxy) pid_file=/run/haproxy.pid programs=haproxy ;;
    apache) pid_file=/run/apache2/apache2.pid programs='apache2 httpd' ;;
    postfix) pid_file=/var/spool/postfix/pid/master.pid programs=master ;;
    dovecot) pid_file=/run/dovecot/master.pid programs=dovecot ;;
    caddy) programs=caddy ;;
  esac
  pid='' process=''
  [ ! -r "$pid_file" ] || read -r pid <"$pid_file"
  numbered "$pid" && [ -r "/proc/$pid/comm" ] && read -r process <"/proc/$pid/comm"
  case " $programs " in *" ${process:-/} "*) return 0 ;; esac
  configured reload unit_of
  if [ -n "$unit" ] && [ "$(systemctl is-active "$unit" 2>/dev/null)" = active ]; then return 0; fi
  # shellcheck disable=SC2086
  if [ -n "$programs" ]; then pidof $programs >/dev/null 2>&1; else [ -z "$unit" ]; fi
}

# `systemctl reload openresty` names another unit than nginx.
unit_of() {
  case ${1-} in systemctl | */systemctl) ;; *) return 0 ;; esac
  case ${3-} in '' | -*) ;; *) unit=$3 ;; esac
}
