# shellcheck shell=sh
# The program as it is installed on a node, behind a login that can do nothing else: it takes the very input that
# a shell is sent elsewhere, but no shell looks into it. Of that input only the data of the call count.

# sealed HASH FILE: what this program is, and where root wrote down what an order must say.
sealed() {
  program=$1 pinned=$2
  settle
  [ "$(beginning)" = "printf '" ] || stranger
  # Whoever sends without end is cut off.
  input=$(head -c 1048576 2>/dev/null | sed -n "
    1s/^.n%s.n' \([0-9a-f]\{32\}\)\$/marker \1/p
    /^main <<'END_[0-9a-f]*'\$/,/^END_/{
      //!p
    }")
  marker=${input%%"
"*}
  case $marker in 'marker '*) ;; *) stranger ;; esac
  printf '\n%s\n\n' "${marker#marker }"
  receive <<END || unheard
${input#"$marker
"}
END
  input=''
  say program "$program"
  serve
}

# Who waits for a word of ours first, as sftp does, is no controller: what it says first comes at once.
beginning() {
  set -- dd bs=1 count=8
  ! command -v timeout >/dev/null || set -- timeout -s KILL 30 "$@"
  "$@" 2>/dev/null
}

stranger() {
  printf 'this login takes the orders of certs, and nothing else\n' >&2
  exit 1
}

# What is run as root, and where it writes, is not for the one who logs in to say.
permit() {
  case $verb in install | rollback) step=lock ;; *) step=inspect ;; esac
  fixed=$(cat "$pinned" 2>/dev/null) || fail "$step" unchanged unpinned
  as_written root
  for service in $services; do
    values_of service "$fixed"
    case "
$values" in *"
$service
"*) ;; *) unwritten service ;; esac
    as_written "test $service"
    as_written "reload $service"
  done
  service=''
}

# Whether the order says of setting $1 what is written down there.
as_written() {
  values_of "$1" "$order"
  asked=$values
  values_of "$1" "$fixed"
  [ "$asked" = "$values" ] || unwritten "${1% *}"
}

unwritten() {
  said="written down there: $(printf '%s' "$values" | tr '\n' ' ')"
  fail "$step" unchanged pinned "$1"
}

# The values of setting $1 in $2, one a line, into $values.
values_of() {
  values=''
  while IFS= read -r line; do
    case $line in "$1 "*) values="$values${line#"$1 "}
" ;; esac
  done <<END
$2
END
}
