# shellcheck shell=sh
# live/.NAME.next takes the place of live/NAME; live/.NAME.former is a whole copy of what was live before. It is
# kept until nginx has been reloaded, so that a later run finds an unfinished switch and can still undo it.

# renameat2(AT_FDCWD, $1, AT_FDCWD, $2, RENAME_EXCHANGE)
exchange() {
  find_exchanger
  case $exchanger in
    perl) perl -e 'exit(syscall($ARGV[0] + 0, -100, $ARGV[1], -100, $ARGV[2], 2) != 0)' "$renameat2" "$1" "$2" ;;
    python3) python3 -c 'import ctypes, os, sys
call, one, other = int(sys.argv[1]), *map(os.fsencode, sys.argv[2:])
sys.exit(ctypes.CDLL(None).syscall(call, -100, one, -100, other, 2) != 0)' "$renameat2" "$1" "$2" ;;
    none) return 1 ;;
  esac
}

# At once where the system can; else one link after the other, each by rename.
switch() {
  durable "$next" || return 1
  if exchange "$next" "$live" 2>/dev/null; then
    durable "$live"
    return
  fi
  if [ -L "$next" ] || [ -L "$live" ]; then
    # Nothing takes the place of a link to a directory in one step.
    absent "$next.away" && mv "$live" "$next.away" && mv "$next" "$live" || return 1
  else
    gone=''
    set --
    for kind in $kinds; do
      if [ -L "$next/$kind.pem" ] || [ -f "$next/$kind.pem" ]; then set -- "$@" "$next/$kind.pem"; else gone="$gone $live/$kind.pem"; fi
    done
    # By one process: until it is through, key and chain are of two versions.
    [ $# = 0 ] || mv -f "$@" "$live/" || return 1
    # shellcheck disable=SC2086
    [ -z "$gone" ] || rm -f $gone || return 1
  fi
  durable "$live"
}

durable() {
  if [ -L "$1" ]; then sync live; else sync live "$1"; fi
}

copy_former() {
  absent "$next" && absent "$former" && cp -a "$live" "$next" && mv "$next" "$former"
}

absent() { { [ ! -e "$1" ] && [ ! -L "$1" ]; } || rm -rf "$1"; }

build_next() {
  absent "$next" || return 1
  if [ -L "$live" ]; then become_directory; else cp -a "$live" "$next"; fi || return 1
  for kind in $kinds; do
    ln -sfn "../../$archive/$kind$number.pem" "$next/$kind.pem" || return 1
  done
}

# A first version leaves no directory behind.
switch_back() {
  absent "$next" && cp -a "$former" "$next" && switch || return 1
  rmdir "$live" 2>/dev/null || :
}

# $agreed: the version that all four links in directory $1 name, if they agree; $exact: whether each is the
# relative link to version $number that certbot makes.
links_of() {
  agreed='' exact=yes folder=$1
  set --
  for kind in $kinds; do set -- "$@" "$folder/$kind.pem"; done
  links=$(stat -c %N "$@" 2>/dev/null)
  for kind in $kinds; do
    target=''
    case $links in *"/$kind.pem' -> '"*) target=${links#*"/$kind.pem' -> '"} target=${target%%"'"*} ;; esac
    [ "$target" = "../../$archive/$kind$number.pem" ] || exact=no
    # A version may have come without it.
    [ "$kind" != combined ] || continue
    found=none
    case $target in
      "$archive/$kind"* | *"/$archive/$kind"*) found=${target##*"/$kind"} found=${found%.pem} ;;
    esac
    numbered "$found" || found=none
    [ "${agreed:-$found}" = "$found" ] && agreed=$found || agreed=none
  done
  [ "$agreed" != none ] || agreed=''
}

same_links() {
  [ ! -L "$1" ] && [ ! -L "$2" ] || return 1
  for kind in $kinds; do
    [ "$(readlink "$1/$kind.pem")" = "$(readlink "$2/$kind.pem")" ] || return 1
  done
}

# Where nginx read other files and a run has put links to live: back to what was there, also when an earlier run did it.
# The lines of $record are KIND SPARE PATH.
give_back() {
  [ -f "$record" ] || return 0
  while read -r kind spare path; do
    if ! folder=$(physical "$path") || ! guarded "$folder"; then continue; fi
    rm -f "$path.certs-next"
    # shellcheck disable=SC3013
    if [ "$(readlink "$path")" = "$root/$live/$kind.pem" ]; then
      [ ! -e "$path$spare" ] && [ ! -L "$path$spare" ] || mv -f "$path$spare" "$path" || return 1
    elif [ "$path$spare" -ef "$path" ]; then
      rm -f "$path$spare"
    fi
    sync "$folder"
  done <"$record"
  rm -f "$record"
}
