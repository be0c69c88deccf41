# shellcheck shell=sh
# Whose renewal certbot would go on with on this node, and taking it over: a renewal file gets a name that certbot
# does not look at, and nothing else of it changes.

keeps_house=yes

# `held SUM FILE` for each renewal file, `shelved SUM FILE` for each that was set aside, timers with how they stand.
renewals() {
  find_place
  cd "$root" 2>/dev/null || return 0
  set +f
  for path in renewal/*.conf; do
    [ ! -f "$path" ] || say held "$(sum_of "$path") ${path##*/}"
  done
  for path in renewal/*.conf.off renewal/*.conf.off.[0-9]*; do
    [ ! -f "$path" ] || say shelved "$(sum_of "$path") ${path##*/}"
  done
  set -f
  timers
  renewers | sed -n "/^$token cron certbot /p"
}

timers() {
  for unit in certbot.timer snap.certbot.renew.timer certbot-renew.timer; do
    enabled=$(systemctl is-enabled "$unit" 2>/dev/null)
    active=$(systemctl is-active "$unit" 2>/dev/null)
    case $enabled/$active in enabled*/* | */active) say unit "$unit on" ;; disabled/*) say unit "$unit off" ;; esac
  done
}

sum_of() {
  sum=$(sha256sum <"$1" 2>/dev/null) || sum=''
  printf '%s' "${sum%% *}"
}

# What the order says of renewal files and timers, in its order. What is not any more as it was when the order was
# made is left alone, and said.
adopt() {
  open_root
  while IFS= read -r line <&3; do
    value=${line#* }
    case $line in
      'shelve '*) shelve "${value%% *}" "${value#* }" ;;
      'unshelve '*) unshelve "${value%% *}" "${value#* }" ;;
      'stop '*) turn "$value" disable inactive ;;
      'start '*) turn "$value" enable active ;;
    esac
  done 3<<END
$order
END
}

# Others that change a node are waited for. The root is there already, or there is nothing to change.
open_root() {
  cd "$root" 2>/dev/null || fail lock unchanged root
  take_lock
}

shelve() {
  named "$2" || fail lock unchanged order
  from=renewal/$2 to=renewal/$2.off number=2
  while [ -e "$to" ] || [ -L "$to" ]; do
    to=renewal/$2.off.$number number=$((number + 1))
  done
  set_aside "$1" "$2"
}

unshelve() {
  named "$2" || fail lock unchanged order
  from=renewal/$2
  case $2 in *.conf.off | *.conf.off.[0-9]*) to=${from%.off*} ;; *) fail lock unchanged order ;; esac
  if [ -e "$to" ] || [ -L "$to" ]; then
    say kept "$2 taken"
  else
    set_aside "$1" "$2"
  fi
}

set_aside() {
  if [ "$(sum_of "$from")" != "$1" ]; then
    say kept "$2 changed"
    return
  fi
  said=$(mv "$from" "$to" 2>&1 && sync renewal 2>&1) || fail adopt changed write "$2"
  say moved "$2 ${to##*/}"
}

# turn UNIT disable|enable STATE: now, and for the next boot.
turn() {
  case $1 in *[!a-z.-]* | -*) fail lock unchanged order ;; *.timer) ;; *) fail lock unchanged order ;; esac
  hear systemctl "$2" --now "$1" || fail adopt changed timer "$1"
  status=''
  case $3:$(systemctl is-active "$1" 2>/dev/null) in
    active:active | inactive:inactive | inactive:unknown | inactive:failed) say turned "$1 $3" ;;
    *) fail adopt changed timer "$1" ;;
  esac
}
