# shellcheck shell=sh
# Where paths lead, and who could change that.

# The folder of file $1, without links on the way.
physical() { cd -P "${1%/*}/" 2>/dev/null && pwd -P; }

# Whether nobody but root, and whom this runs as, may change what is on the way to folder $1; else $loose says where.
guarded() {
  loose=$1 way=$1 last=$1
  [ -n "$way" ] || return 1
  set -- /
  while [ -n "${way%/}" ]; do set -- "$@" "$way" && way=${way%/*}; done
  ways=$(stat -c '%u %A %n' "$@" 2>/dev/null) || return 1
  while read -r owner mode loose; do
    case $mode in
      # What is root's there, nobody else can move away.
      ????????w[tT]*) [ "$loose" != "$last" ] || return 1 ;;
      ?????w* | ????????w*) return 1 ;;
    esac
    # shellcheck disable=SC3067
    [ "$owner" = 0 ] || [ -O "$loose" ] || return 1
  done <<END
$ways
END
}
