# shellcheck shell=sh
# The input follows as a quoted here-document: data that no shell looks into.

main() {
  pinned=''
  settle
  printf '\n'
  receive || unheard
  serve
}

settle() {
  trap '' HUP INT PIPE TERM
  set -uf
  umask 077
  # shellcheck disable=SC3045
  ulimit -c 0
  LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin
  export LC_ALL PATH
}

unheard() {
  printf 'the input was cut off or is not ours: nothing was done\n' >&2
  exit 1
}

serve() {
  understand || unheard
  exec </dev/null
  status='' said=''
  case $verb in
    inspect | audit | install | rollback) ;;
    # What neither an installed program nor a rollout brings along.
    renewals | adopt | weigh | prune | mend | restore | backups | forget) [ "$keeps_house" = yes ] || fail lock unchanged verb ;;
    *) fail lock unchanged verb ;;
  esac
  [ -z "$pinned" ] || permit
  case $verb in
    install | rollback) transact ;;
    *) "$verb" ;;
  esac
  say end ok
  exit 0
}
