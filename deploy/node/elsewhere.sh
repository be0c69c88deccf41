# shellcheck shell=sh
# What other services than nginx are told to read: files and folders that their configuration names, each with the
# line. It is not put together as they do it: what is named anywhere counts as read. Only paths leave the node.

elsewhere_named='(^|[^a-z_-])(crt|crt-list|crt-base|ca-file|sslcertificate(key|chain)?file|sslcacertificatefile|ssl_(cert|key|ca)|[a-z]+_tls_[a-z0-9_]*files?|tls)[ \t]*[ \t=]'

elsewhere() {
  set --
  for folder in /etc/haproxy /etc/apache2 /etc/httpd /etc/postfix /etc/dovecot /etc/caddy; do
    [ ! -d "$folder" ] || set -- "$@" "$folder"
  done
  [ $# -gt 0 ] || return 0
  # What is only available is read by nobody.
  # shellcheck disable=SC2016
  told '' grep -RliEs -e 'crt|ssl|tls' "$@" | sed -e "/^$token exit /d" -e '/-available\//d' -e '/^$/d' |
    with_each awk -v token="$token" -v naming="$elsewhere_named" '
      FNR == 1 { base = ""; was = 0 }
      /^[ \t]*#/ { next }
      {
        going = was && /^[ \t]/ && FILENAME ~ /main\.cf$/
        was = going || tolower($0) ~ naming
        if (!was) next
        gsub(/["\047=,<>(){};]/, " ")
        for (i = 1; i <= NF; i++) {
          path = $i
          before = i > 1 ? tolower($(i - 1)) : ""
          if (before == "crt-base") { base = path; continue }
          if (path !~ /^\// && before == "crt" && base != "") path = base "/" path
          if (path !~ /^\/[^\/]/ || count++ > 2000) continue
          sub(/\/+$/, "", path)
          print token, before == "crt-list" ? "list" : "named", FILENAME ":" FNR "\t" path
        }
      }' | listed
}

# The files that a list of haproxy names count as if they stood in its place.
listed() {
  while IFS= read -r line; do
    case $line in
      "$token list "*)
        list=${line#*"$tab"}
        awk -v token="$token" '!/^[ \t]*#/ && $1 ~ /^\// { print token, "named", FILENAME ":" FNR "\t" $1 }' "$list" 2>/dev/null
        ;;
      *) printf '%s\n' "$line" ;;
    esac
  done
}
