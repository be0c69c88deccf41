# shellcheck shell=sh
# Makes a login on a node that can do nothing but hand orders to the installed program. Sent to a shell of root;
# what is put in place comes as data, and whatever is right already is left alone.

set_up() {
  settle
  printf '\n'
  take || unheard
  exec </dev/null
  status='' said=''
  folder=/usr/local/lib/certs
  [ "$(id -u)" = 0 ] || fail setup unchanged root
  command -v sudo >/dev/null && command -v visudo >/dev/null || fail setup unchanged sudo
  look
  if [ "$verb" = apply ]; then
    change
    look
  fi
  say end ok
  exit 0
}

take() {
  token='' verb='' user='' program='' pinned='' login='' keys='' sudoers=''
  while read -r name value; do
    case $value in '' | *[!A-Za-z0-9+/=]*) return 1 ;; esac
    case $name in
      token) token=$value ;;
      verb) verb=$value ;;
      user) user=$(decode "$value") ;;
      program) program=$value ;;
      pinned) pinned=$value ;;
      login) login=$value ;;
      keys) keys=$value ;;
      sudoers) sudoers=$value ;;
      end) [ "$value" = "$token" ] && return 0 || return 1 ;;
      *) return 1 ;;
    esac
  done
  return 1
}

look() {
  account
  case $account in other*) fail setup unchanged account "${account#other }" ;; esac
  say part account "$account"
  each_file compare
}

# Each file with its mode and its data, the one that opens the door at the end.
each_file() {
  "$1" program "$folder/node" 755 "$program"
  "$1" pinned "$folder/pinned" 644 "$pinned"
  "$1" login "$folder/login" 755 "$login"
  "$1" sudoers "/etc/sudoers.d/$user" 440 "$sudoers"
  "$1" keys "$folder/.ssh/authorized_keys" 644 "$keys"
}

account() {
  line=$(grep "^$user:" /etc/passwd)
  case $line in
    '') ! id "$user" >/dev/null 2>&1 && account=missing || account='other elsewhere' ;;
    *":$folder:$folder/login") account=same ;;
    *) account="other ${line##*:}" ;;
  esac
}

compare() {
  state=missing
  if [ -e "$2" ] || [ -L "$2" ]; then
    state=differs
    [ "$(stat -c '%u %a %F' "$2")" != "0 $3 regular file" ] ||
      [ "$(decode "$4" | sha256sum)" != "$(sha256sum <"$2")" ] || state=same
  fi
  say part "$1" "$state"
}

change() {
  said=$(visudo -c 2>&1) || {
    status=$?
    fail setup unchanged sudoers
  }
  said=$(folders 2>&1) || fail setup unchanged place
  each_file put
}

folders() {
  for path in "$folder" "$folder/.ssh"; do
    [ -d "$path" ] || mkdir -p "$path" || return 1
    chown 0:0 "$path" && chmod g-s "$path" && chmod 755 "$path" || return 1
  done
}

# The account comes before what names it.
put() {
  if [ "$1" = sudoers ] && [ "$account" = missing ]; then
    said=$(create 2>&1) || fail setup changed create
  fi
  compare "$@" >/dev/null
  [ "$state" != same ] || return 0
  said=$(place "$2" "$3" "$4" 2>&1) || fail setup changed write "$2"
}

# A name with a dot in it is nothing to sudo and sshd.
place() {
  rm -f "$1.new"
  decode "$3" >"$1.new" && chown 0:0 "$1.new" && chmod "$2" "$1.new" || return 1
  case $1 in /etc/sudoers.d/*) visudo -cf "$1.new" || { rm -f "$1.new"; return 1; } ;; esac
  sync "$1.new" && mv -f "$1.new" "$1" || return 1
  if command -v restorecon >/dev/null; then restorecon "$1"; fi
}

# With a password that nothing matches: a locked account is one that sshd may refuse.
create() {
  useradd --system --user-group --no-create-home --home-dir "$folder" --shell "$folder/login" --password '*' "$user"
}
