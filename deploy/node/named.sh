# shellcheck shell=sh
# Who else names what is to be taken away: configurations of whatever service, scripts, running processes. Only the
# place of a hit is told, never its text.

# Hits in nginx's own folder count only where nginx -T printed the file; the others are configuration that is not in use.
# Entries come in $entries, files of nginx in $dumped; `named ITEM service|idle PLACE` goes out.
named_elsewhere() {
  words=$(printf '%s\n' "$entries" | awk -F'\t' "$naming"'
    { learn() }
    END { for (word in words) if (length(word) > 2) print word }')
  [ -n "$words" ] || return 0
  [ "${#words}" -lt 100000 ] || fail inspect unchanged many
  {
  {
    printf '%s\n' "$entries" | sed "s/^/entry$tab/"
    printf '%s\n' "$dumped" | sed "s/^/nginx$tab/"
    configurations | with_each grep -HnsF -e "$words" -- | sed "s/^/hit$tab/"
    processes
  } | awk -F'\t' -v token="$token" "$naming$hits"
  } 3>&1
}

configurations() {
  # What is large or far away by its names only: there may be a whole web site.
  bounded find -L /etc /usr/local/etc /usr/local/bin /usr/local/sbin /var/spool/cron /opt /srv /root -maxdepth 5 \
    \( -path "$root/live" -o -path "$root/archive" -o -path "$root/pruned" -o -path "$root/renewal" \
    -o -path "$root/accounts" -o -path /etc/ssl/certs -o -path /etc/alternatives -o -path '/etc/apparmor*' \
    -o -path /etc/selinux -o -path /etc/ssl/openssl.cnf -o -name .git -o -name .etckeeper -o -name .ssh \
    -o -name node_modules -o -name '*[[:cntrl:]]*' \) -prune -o -type f -size -1000k \
    \( ! \( -path '/opt/*' -o -path '/srv/*' -o -path '/root/*' \) -o -name '*.conf' -o -name '*.cfg' -o -name '*.ini' \
    -o -name '*.y*ml' -o -name '*.toml' -o -name '*.json' -o -name '*.env' -o -name .env -o -name '*.sh' \) -print \
    2>/dev/null
  [ $? -lt 128 ] || say lacking time >&3
  # What lies beside a file may name it by its name alone.
  printf '%s\n' "$entries" | awk -F'\t' '$2 == "path" { sub(/\/[^\/]*$/, "", $8); print $8 }' | sort -u |
    while IFS= read -r beside; do
      find "$beside/" -maxdepth 1 -type f -size -1000k ! -name '*[[:cntrl:]]*' 2>/dev/null
    done
}

# Of each process its arguments, its environment and what is mounted for it: a container reads under another path.
processes() {
  set +f
  set -- /proc/[0-9]*/cmdline /proc/[0-9]*/environ /proc/[0-9]*/mountinfo
  set -f
  grep -lsF -f - -- "$@" <<END |
$words
END
    while IFS= read -r file; do
      pid=${file#/proc/} name=
      pid=${pid%%/*}
      [ ! -r "/proc/$pid/comm" ] || read -r name <"/proc/$pid/comm"
      tr '\0' '\n' <"$file" 2>/dev/null | sed "s/^/process$tab$name (pid $pid)$tab/"
    done
}

# An entry is `ITEM HOW TYPE MODE OWNER SUM ID PATH TARGET`; HOW says what may stand for the path.
# shellcheck disable=SC2016
naming='
  function base(path) { sub(/.*\//, "", path); return path }
  function dir(path) { sub(/\/[^\/]*$/, "", path); return path }
  function learn(   item, how, path, folder) {
    item = $1; how = $2; path = $8
    if (how == "lineage") {
      inside["live/" $9] = inside["live/" $9] " " item; words["live/" $9]
      inside["archive/" $9] = inside["archive/" $9] " " item; words["archive/" $9]
      return
    }
    own[item, path]
    if (how == "inside") return
    full[path] = full[path] " " item
    words[base(path)]
    if (how == "version") return
    named[base(path)] = named[base(path)] " " item
    lies[item, base(path)] = lies[item, base(path)] " " dir(path) "/"
    folder = dir(path)
    if (folder !~ /^(|\/etc|\/etc\/ssl|\/etc\/nginx|\/etc\/pki|\/etc\/pki\/tls|\/root|\/srv|\/opt)$/) {
      folders[folder] = folders[folder] " " item
      words[folder]
    }
  }'

# shellcheck disable=SC2016
hits='
  $1 == "entry" { sub(/^entry\t/, ""); learn(); next }
  $1 == "nginx" { if ($2 != "") { if (home == "") home = dir($2); printed[$2] }; next }
  $1 == "hit" {
    text = substr($0, 5)
    if (!match(text, /:[0-9]+:/)) next
    file = substr(text, 1, RSTART - 1)
    place = substr(text, 1, RSTART + RLENGTH - 2)
    text = substr(text, RSTART + RLENGTH)
    if (text ~ /^[ \t]*(#|;|\/\/)/ || file in printed) next
    look(home != "" && index(file, home "/") == 1 ? "idle" : "service")
    next
  }
  $1 == "process" {
    file = ""; place = "process " $2; text = $0
    sub(/^[^\t]*\t[^\t]*\t/, "", text)
    look("service")
    next
  }
  function look(kind,   count, i, t, part) {
    count = split(text, part, /[^A-Za-z0-9._\/@+~*?${}%-]+/)
    for (i = 1; i <= count; i++) {
      t = part[i]
      sub(/[.\/]+$/, "", t)
      if (length(t) < 3) continue
      if (t in full) tell(full[t], kind)
      if (t in folders) tell(folders[t], kind)
      if (base(t) ~ /[*?$%{]/ && dir(t) in folders) tell(folders[dir(t)], kind)
      if (t !~ /^\// && base(t) in named) tell_near(base(t), kind)
      for (word in inside) if (index("/" t "/", "/" word "/")) tell(inside[word], kind)
    }
  }
  # A name alone may be meant below any base in a configuration; elsewhere only below the folder it is said in.
  function tell_near(name, kind,   count, i, item, near) {
    near = file == "" || file ~ /^(\/usr\/local)?\/etc\//
    count = split(named[name], item, " ")
    for (i = 1; i <= count; i++) if (near || index(lies[item[i], name], " " dir(file) "/")) tell(item[i], kind)
  }
  function tell(items, kind,   count, i, item) {
    count = split(items, item, " ")
    for (i = 1; i <= count; i++) {
      if ((item[i], file) in own || (item[i], place) in told || ++times[item[i], kind] > 3) continue
      told[item[i], place]
      print token, "named", item[i], kind, place
    }
  }'
