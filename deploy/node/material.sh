# shellcheck shell=sh
# Where certificates and keys lie, by what is in the files and not by their names. Of a key only its public half
# leaves the node.

# Larger files are lists of CAs, logs and archives.
largest=65536
# The mark of Windows' editors may stand before it.
pem='^[^-]{0,3}-----BEGIN (CERTIFICATE|((RSA|EC|ENCRYPTED) )?PRIVATE KEY)-----'

# material PATH...: files, and folders to search.
material() {
  if ! command -v find >/dev/null || ! command -v xargs >/dev/null; then
    say lacking findutils
    return
  fi
  { listed=$(regular_files "$@"); } 3>&1
  # One look at each file, however many names it has.
  matching=$(printf '%s\n' "$listed" | awk -F'\t' '!known[$1]++ { print $4 }' | with_each grep -lE -e "$pem" --)
  [ -n "$matching" ] || return 0
  found=$(printf '%s\n%s\n%s\n' "$matching" / "$listed" | awk -F'\t' '
    !ready { if ($0 == "/") ready = 1; else wanted[$0] = 1; next }
    wanted[$4] { same[$1] = 1 }
    { line[NR] = $0; id[NR] = $1 }
    END { for (i = 1; i <= NR; i++) if (i in id && same[id[i]]) print line[i] }')
  printf '%s\n' "$found" | sed "s/^/$token file /"
  printf '%s\n' "$found" | cut -f 4 | QUOTING_STYLE=literal with_each stat -c "$token link %F$tab%n$tab%N" -- |
    sed -n "/^$token link symbolic link/p"
  printf '%s\n' "$matching" | first_certificates
  holders=$(printf '%s\n' "$matching" | with_each grep -lE -e 'PRIVATE KEY-----' --)
  [ -n "$holders" ] || return 0
  parents "$found" | with_each stat -c "$token folder %a$tab%n" --
  printf '%s\n' "$holders" | sed "s/^/$token pending /"
}

tab=$(printf '\t')

# `ID MODE OWNER PATH` for each regular file, links followed; each path once, in order.
regular_files() {
  {
    bounded find "$@" -maxdepth 6 \( -path "$root/pruned" -o -path /etc/ssl/certs -o -name .ssh -o -name .git -o -name node_modules \
      -o -name '*[[:cntrl:]]*' \) -prune -o \( -type f -o -type l \) \
      -exec stat -L -c "%d:%i$tab%a$tab%U:%G$tab%n$tab%s$tab%F" {} + 2>/dev/null
    [ $? -lt 128 ] || say lacking time >&3
  } |
    awk -F'\t' -v most="$largest" '$6 ~ /^regular/ && $5 > 50 && $5 <= most && !known[$4]++ {
      print $1 "\t" $2 "\t" $3 "\t" $4
    }' | sort -S 128M -t "$tab" -k 4
}

# Runs "$@" with the paths that come in, one a line, behind it.
with_each() { tr '\n' '\0' | xargs -0 -r "$@" 2>/dev/null; }

first_certificates() {
  # shellcheck disable=SC2016
  with_each awk -v token="$token" '
    FNR == 1 { reading = 0; text = "" }
    /-----BEGIN CERTIFICATE-----/ { reading = !done[FILENAME]; next }
    /-----END CERTIFICATE-----/ {
      if (reading) {
        if (text in known) print token, "same", known[text] "\t" FILENAME
        else print token, "leaf", text "\t" (known[text] = FILENAME)
        done[FILENAME] = 1
      }
      reading = 0
    }
    reading && /^[A-Za-z0-9+\/=]+\r?$/ && length(text) < 16384 { sub(/\r/, ""); text = text $0 }'
}

# The folders that somebody has to pass on the way to a file.
parents() {
  printf '%s\n' "$1" | cut -f 4 | awk '{
    while (sub(/\/[^\/]*$/, "") && $0 != "" && !known[$0]++) print
  }'
}

# Public halves in place of the names of files with keys: openssl takes its time, so only for what is told now.
filled() {
  while IFS= read -r line; do
    case $line in
      "$token pending "*) public_half "${line#"$token pending "}" ;;
      *) printf '%s\n' "$line" ;;
    esac
  done
}

# The lines of a public key without its frame; empty where a password is needed, `-` without openssl.
public_half() {
  key=-
  if command -v openssl >/dev/null; then
    public=$(openssl pkey -in "$1" -passin pass: -pubout 2>/dev/null)
    public=${public#-----BEGIN PUBLIC KEY-----}
    key=''
    for line in ${public%-----END*}; do key=$key$line; done
  fi
  say public "$key$tab$1"
}
