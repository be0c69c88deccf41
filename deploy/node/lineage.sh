# shellcheck shell=sh
# What lies on disk for certificates, in few processes; the controller puts the lines together. Paths are
# relative to the root.

four='privkey cert chain fullchain'
# With `combined`, fullchain and key in one file, where something reads that.
kinds=$four

# Splits KINDn.pem into $kind and $version; fails for every other name.
versioned() {
  kind=${1%%[0-9]*}
  case $kind in privkey | cert | chain | fullchain | combined) ;; *) return 1 ;; esac
  version=${1#"$kind"}
  case $version in *.pem) version=${version%.pem} ;; *) return 1 ;; esac
  numbered "$version"
}

lineages() {
  looked=' . live archive' summed='' leaves=''
  owned . live archive
  for name in "$@"; do
    [ ! -e "renewal/$name.conf" ] || say renewal "$name"
    looked="$looked live/$name archive/$name"
    owned "live/$name" "archive/$name"
    siblings
    for kind in $four combined; do looked="$looked live/$name/$kind.pem"; done
    for kind in cert fullchain; do
      [ ! -f "live/$name/$kind.pem" ] || leaves="$leaves live/$name/$kind.pem"
    done
    odd_in_live
    versions_in_archive
  done
  # shellcheck disable=SC2086
  set -- $looked
  for path in "$@"; do [ ! -f "$path" ] || summed="$summed $path"; done
  stat -c "$token stat %F/%a/%U:%G/%N" "$@" 2>/dev/null
  # shellcheck disable=SC2086
  [ -z "$summed" ] || quote sum "$(sha256sum $summed 2>/dev/null)"
  # shellcheck disable=SC2086
  [ -z "$leaves" ] || first_blocks $leaves
}

# Folders that belong to somebody else than whom this runs as.
owned() {
  for path in "$@"; do
    # shellcheck disable=SC3067
    [ ! -e "$path" ] || [ -O "$path" ] || say other "$path"
  done
}

# certbot makes NAME-0001 when it is asked for NAME with other names or another key type.
siblings() {
  set +f
  for path in "live/$name"-[0-9][0-9][0-9][0-9]; do
    [ ! -d "$path" ] || say sibling "$name" "${path#live/}"
    [ ! -e "renewal/${path#live/}.conf" ] || say renewal "${path#live/}"
  done
  set -f
}

odd_in_live() {
  set +f
  for path in "live/$name"/*; do
    case ${path##*/} in
      README | privkey.pem | cert.pem | chain.pem | fullchain.pem) ;;
      combined.pem) [ -L "$path" ] || say odd "$name" combined.pem ;;
      *) [ "$path" = "live/$name/*" ] || say odd "$name" "${path##*/}" ;;
    esac
  done
  set -f
}

# An archive that has grown for years is told by its newest twelve versions: answers are capped.
versions_in_archive() {
  found='' numbers='' count=0
  set +f
  for path in "archive/$name"/*; do
    if versioned "${path##*/}"; then
      found="$found $path" numbers="$numbers $version" count=$((count + 1))
    elif [ "$path" != "archive/$name/*" ]; then
      say odd "$name" "${path##*/}"
    fi
  done
  set -f
  if [ "$count" -gt 48 ]; then
    # shellcheck disable=SC2086
    numbers=$(printf '%s\n' $numbers | sort -rnu | sed 12q | tr '\n' ' ')
    for path in $found; do
      versioned "${path##*/}"
      case " $numbers" in *" $version "*) looked="$looked $path" ;; esac
    done
  else
    looked="$looked $found"
  fi
}

# The first certificate of each file, as one line of base64.
first_blocks() {
  awk -v token="$token" '
    FNR == 1 { reading = 0; text = "" }
    /-----BEGIN CERTIFICATE-----/ { reading = !done[FILENAME]; next }
    /-----END CERTIFICATE-----/ {
      if (reading) { print token, "leaf", FILENAME, text; done[FILENAME] = 1 }
      reading = 0
    }
    reading && /^[A-Za-z0-9+\/=]+\r?$/ && length(text) < 16384 { sub(/\r/, ""); text = text $0 }
  ' "$@"
}

# The public half of live's key, for the controller to compare with the leaf.
public_keys() {
  for name in "$@"; do
    [ -f "live/$name/privkey.pem" ] || continue
    if ! command -v openssl >/dev/null; then continue; fi
    pem=$(openssl pkey -in "live/$name/privkey.pem" -passin pass: -pubout 2>/dev/null)
    pem=${pem#-----BEGIN PUBLIC KEY-----}
    key=''
    for line in ${pem%-----END*}; do key=$key$line; done
    say public "$name" "$key"
  done
}
