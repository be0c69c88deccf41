# shellcheck shell=sh
# How the program hears and speaks. Input: `name base64` lines, nothing is done before `end TOKEN` has come.
# Output: `TOKEN name words`; every other line is noise to the reader on the controller.

# bash before 5.1 keeps a here-document in a file; this one holds a key.
TMPDIR=/dev/shm

# Whether the parts that take over and tidy up are there.
keeps_house=no

receive() {
  token='' verb='' order='' privkey='' cert='' chain=''
  while read -r name value; do
    case $value in '' | *[!A-Za-z0-9+/=]*) return 1 ;; esac
    case $name in
      # It stands in patterns of sed and awk.
      token) case $value in *[!0-9a-f]*) return 1 ;; *) token=$value ;; esac ;;
      verb) verb=$value ;;
      order) order=$value ;;
      privkey) privkey=$value ;;
      cert) cert=$value ;;
      chain) chain=$value ;;
      end) [ "$value" = "$token" ] && return 0 || return 1 ;;
      *) return 1 ;;
    esac
  done
  return 1
}

decode() {
  base64 -d <<END
$1
END
}

# The order is one setting a line. `service`, `folder` and what is to be taken over come as often as there are, and so
# do the words of each service's `test` and `reload`.
understand() {
  root='' certificates='' names='' services='' service='' adopts='' number='' force='' limit=30 from=1 machine=''
  sum_privkey='' sum_cert='' sum_chain='' sum_fullchain='' sum_combined='' combined=''
  order=$(decode "$order") || return 1
  while IFS= read -r line; do
    value=${line#* }
    case $line in
      'root '/*) root=$value ;;
      'certificate '*) named "$value" && certificates="$certificates $value" || return 1 ;;
      'service '*) named "$value" && services="$services $value" || return 1 ;;
      'name '*) named "x$value" && names="$names $value" || return 1 ;;
      'adopt '*) adopts="$adopts$value
" ;;
      'number '*) numbered "$value" && number=$value || return 1 ;;
      'force '*) force=$value ;;
      'limit '*) numbered "$value" && limit=$value || return 1 ;;
      'from '*) numbered "$value" && from=$value || return 1 ;;
      'sum privkey '*) sum_privkey=${value#* } ;;
      'sum cert '*) sum_cert=${value#* } ;;
      'sum chain '*) sum_chain=${value#* } ;;
      'sum fullchain '*) sum_fullchain=${value#* } ;;
      'sum combined '*) sum_combined=${value#* } ;;
      'combined '*) combined=$value ;;
      'test '* | 'reload '* | 'folder '/*) ;;
      'shelve '* | 'unshelve '* | 'stop '* | 'start '* | 'item '* | 'expect '* | 'backup '*) ;;
      *) return 1 ;;
    esac
  done <<END
$order
END
  case $sum_privkey$sum_cert$sum_chain$sum_fullchain$sum_combined in *[!0-9a-f]*) return 1 ;; esac
  [ -n "$root" ]
}

# One component of a path, harmless in an unquoted list while globbing is off.
named() {
  case $1 in '' | .* | -* | *..* | *[!A-Za-z0-9._*-]*) return 1 ;; esac
}

numbered() {
  case $1 in '' | 0* | *[!0-9]* | ????????????????*) return 1 ;; esac
}

say() { printf '%s %s\n' "$token" "$*"; }

quote() {
  while IFS= read -r line; do
    [ -z "$line" ] || say "$1" "$line"
  done <<END
$2
END
}

# fail STEP LEFT CODE [WORDS]: $said and $status are those of the tool of $service that failed, if one did.
fail() {
  say error "$@"
  [ -z "${service-}" ] || say service "$service"
  [ -z "$status" ] || say exit "$status"
  quote said "$said"
  say end failed
  exit 1
}
