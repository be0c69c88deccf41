# shellcheck shell=sh
# Tells what there is of certificates on this node: where they lie, what nginx is told to read, who else renews.
# Writes nothing. An answer is capped, so it comes in pages: the lines from the order's `from` on.

audit() {
  find_place
  told_whole | page | filled
}

told_whole() {
  say clock "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
  system
  renewers
  configuration='' others=$(elsewhere)
  for service in $services; do
    [ "$service" = nginx ] || continue
    configured test is_installed
    configuration=$(reader=configuration && configured test examine)
  done
  printf '%s\n%s\n' "$configuration" "$others"
  set --
  while IFS= read -r line; do
    case $line in 'folder '/*) set -- "$@" "${line#* }" ;; esac
  done <<END
$order
$(printf '%s\n' "$configuration" | read_files)
$(printf '%s\n' "$others" | sed -n "s/^$token named [^$tab]*$tab/folder /p" | files_only)
END
  material "$root" "$@"
}

# A folder that is named is not searched: it may be any.
files_only() {
  while IFS= read -r line; do
    [ ! -f "${line#* }" ] || printf '%s\n' "$line"
  done
}

# What nginx is told to read may lie outside of all folders.
read_files() {
  awk -F'\t' -v token="$token" '
    $1 == token " conf file" && folder == "" { folder = $2; sub(/[^\/]*$/, "", folder) }
    $1 == token " conf set" && $3 ~ /ssl_(trusted_|client_)?certificate(_key)?$/ {
      path = $4
      gsub(/^["\047]|["\047]$/, "", path)
      if (path ~ /^(data|engine|store):|[$]/) next
      if (path !~ /^\//) path = folder path
      if (!known[path]++) print "folder " path
    }'
}

# Timers, entries of cron and lineages of what renews certificates by itself. Of an entry only the program is told.
renewers() {
  for unit in certbot.timer snap.certbot.renew.timer certbot-renew.timer acme.timer lego.timer dehydrated.timer; do
    case $(systemctl is-active "$unit" 2>/dev/null) in active) say timer "$unit" ;; esac
  done
  set +f
  set -- /etc/crontab /etc/cron.d/* /etc/cron.daily/* /etc/cron.weekly/* /var/spool/cron/root \
    /var/spool/cron/crontabs/* /etc/crontabs/*
  # Debian's own entry does nothing where systemd runs: the timer does.
  idle='-d /run/systemd/system'
  [ -d /run/systemd/system ] || idle='-d /dev/null/none'
  grep -HEns '^[^#]*(certbot|acme\.sh|dehydrated|lego )' "$@" | grep -vF -e "$idle" |
    sed -E "s/^([^:]*:[0-9]+):.*(certbot|acme\.sh|dehydrated|lego ).*/$token cron \2 \1/"
  for path in "$root/renewal"/*.conf; do
    [ ! -f "$path" ] || say renewal "${path##*/}"
  done
  set -f
}

page() {
  awk -v token="$token" -v from="$from" -v most=180000 '
    NR >= from && !more {
      # A public key will stand beside the name of the file.
      size += length($0) + 1 + ($2 == "pending" ? 1000 : 0)
      if (size > most && told) more = NR
      else { print; told = 1 }
    }
    END {
      print token, "lines", NR
      if (more) print token, "more", more
    }'
}
