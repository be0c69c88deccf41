# shellcheck shell=sh
# Looks at the whole node once, writes nothing.

inspect() {
  say clock "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
  system
  for service in $services; do
    say service "$service"
    configured test is_installed
    configured test examine
  done
  service=''
  certbot
  find_exchanger
  say exchange "$exchanger"
  # shellcheck disable=SC2086
  set -- $certificates
  find_place
  if cd "$root" 2>/dev/null; then
    lineages "$@"
    public_keys "$@"
  fi
  disk "$@"
}

system() {
  pretty=''
  [ ! -r /etc/os-release ] || while IFS= read -r line; do
    case $line in PRETTY_NAME=*) pretty=${line#*=} pretty=${pretty#\"} pretty=${pretty%\"} ;; esac
  done </etc/os-release
  kernel=$(uname -srm)
  machine=${kernel##* }
  say system "${pretty:+$pretty, }$kernel"
}

is_installed() {
  installed=no runs=no
  ! command -v "$1" >/dev/null || installed=yes
  [ "$service" != nginx ] || ! command -v nginx >/dev/null || installed=yes
  ! running || runs=yes
  say found "$installed" "$runs"
}

certbot() {
  timer=no cron=no units=''
  # Asking systemd takes longer than looking whether there is anything to ask for.
  for unit in certbot.timer snap.certbot.renew.timer certbot-renew.timer; do
    for folder in /etc /run /usr/lib /lib /usr/local/lib; do
      [ ! -e "$folder/systemd/system/$unit" ] || units="$units $unit"
    done
  done
  # shellcheck disable=SC2086
  [ -z "$units" ] || for state in $(systemctl is-active $units 2>/dev/null); do
    [ "$state" != active ] || timer=yes
  done
  set +f
  set -- /etc/crontab /etc/cron.d/* /etc/cron.daily/* /var/spool/cron/root /var/spool/cron/crontabs/* /etc/crontabs/*
  set -f
  # Debian's own entry does nothing where systemd runs: the timer does.
  while IFS= read -r line; do
    case $line in
      '') ;;
      *'-d /run/systemd/system'*) [ -d /run/systemd/system ] || cron=yes ;;
      *) cron=yes ;;
    esac
  done <<END
$(grep -hs '^[^#]*certbot' "$@")
END
  say certbot "$timer" "$cron"
}

# The root or, while that is missing, the folder it would be in. What may not be looked at is not missing.
find_place() {
  place=$root
  while [ ! -d "$place" ]; do
    place=${place%/*}
    place=${place:-/}
  done
  for path in "$place" "$place/live" "$place/archive"; do
    if [ -d "$path" ] && ! { [ -r "$path" ] && [ -x "$path" ]; }; then fail inspect unchanged unreadable; fi
  done
}

# Free bytes and inodes, and whether we may write.
disk() {
  writable=yes
  may_write "$place" || writable=no
  for name in "$@"; do
    for path in live archive "live/$name" "archive/$name"; do
      [ ! -d "$place/$path" ] || [ -w "$place/$path" ] || writable=no
    done
  done
  say disk "$writable" "$(stat -f -c '%a %S %d %c' "$place" 2>/dev/null)"
}

# busybox tells root that everything is writable; a read-only mount refuses before it looks for the name.
may_write() {
  [ -w "$1" ] || return 1
  case $(rmdir "$1/.certs-$token" 2>&1) in *[Rr]ead-only*) return 1 ;; esac
}
