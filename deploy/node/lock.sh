# shellcheck shell=sh
# One run at a time changes a node. The lock is on the directory `archive`, which only root can open, so it
# leaves no file and the kernel frees it with its holder. Without flock(1) it is a link that names its holder.

take_lock() {
  patience=10
  if command -v flock >/dev/null; then
    { command exec 9<archive; } 2>/dev/null || fail lock unchanged unreadable
    until flock -n 9; do wait_for_lock; done
    return
  fi
  lock=archive/.certs.lock
  until ln -s "$(identity "$$")" "$lock" 2>/dev/null; do
    holder=$(readlink "$lock") || holder=''
    if [ -z "$holder" ] || [ "$(identity "${holder%%:*}")" = "$holder" ]; then
      wait_for_lock
    else
      # Of two that see a dead holder one moves the link away; what it moved must be what it saw.
      mv "$lock" "$lock.$$" 2>/dev/null && [ "$(readlink "$lock.$$")" != "$holder" ] && mv "$lock.$$" "$lock"
      rm -f "$lock.$$"
    fi
  done
  trap 'rm -f "$lock"' EXIT
}

wait_for_lock() {
  [ "$patience" -gt 0 ] || fail lock unchanged held
  patience=$((patience - 1))
  sleep 1
}

# A process id comes again after a reboot, or when the numbers have gone round.
identity() {
  boot='' process=''
  [ ! -r /proc/sys/kernel/random/boot_id ] || read -r boot </proc/sys/kernel/random/boot_id
  [ ! -r "/proc/$1/stat" ] || read -r process <"/proc/$1/stat"
  pid=$1
  # shellcheck disable=SC2086
  set -- ${process##*) }
  [ $# -lt 20 ] || shift 19
  printf '%s' "$pid:$boot:${1-}"
}
