# shellcheck shell=sh
# What an order's items are made of, and what forbids to take them away. Writes nothing.

keeps_house=yes

# Each item of the order with its entries, who else names it, and backups that a run was cut off at.
weigh() {
  find_place
  cd "$root" 2>/dev/null || cd /
  unfinished
  examine_nginx
  entries=$(list_entries) || repeat "$entries"
  printf '%s\n' "$entries" | sed -n "s/^[1-9]/$token entry &/p"
  [ -z "$entries" ] || forbidden
}

# What a part that runs apart said before it failed.
repeat() {
  printf '%s\n' "$1"
  exit 1
}

unfinished() {
  set +f
  for path in "$root"/pruned/*/unfinished; do
    [ ! -f "$path" ] || { path=${path%/*} && say unfinished "${path##*/}"; }
  done
  set -f
}

# `ITEM HOW TYPE MODE OWNER SUM ID PATH TARGET`, tabs between; of a lineage a first line with its name, too.
list_entries() {
  while IFS= read -r line <&3; do
    case $line in 'item '*) ;; *) continue ;; esac
    line=${line#item }
    item=${line%% *} line=${line#* }
    how=${line%% *} value=${line#* }
    numbered "$item" || fail inspect unchanged order
    case $how in
      lineage)
        named "$value" || fail inspect unchanged order
        printf '%s\tlineage\td\t-\t-\t-\t-\t-\t%s\n' "$item" "$value"
        how=inside
        paths_in "$value" -name '*[[:cntrl:]]*' | grep -q . &&
          printf '%s\tinside\to\t-\t-\t-\t-\t%s\t\n' "$item" "$root/archive/$value"
        paths_in "$value" | list_paths
        ;;
      version)
        if ! named "${value% *}" || ! numbered "${value##* }"; then fail inspect unchanged order; fi
        for kind in privkey cert chain fullchain combined; do
          printf '%s\n' "$root/archive/${value% *}/$kind${value##* }.pem"
        done | list_paths
        ;;
      path) printf '%s\n' "$value" | list_paths ;;
    esac
  done 3<<END
$order
END
}

# Everything of lineage $1 that the words behind it let through, files before the folders they are in.
paths_in() {
  name=$1
  shift
  for path in "renewal/$name.conf" "renewal/$name.conf.off" "live/$name" "archive/$name"; do
    if [ -e "$root/$path" ] || [ -L "$root/$path" ]; then find "$root/$path" -depth "$@" 2>/dev/null; fi
  done
}

list_paths() {
  while IFS= read -r path; do
    facts=$(stat -c "%F$tab%a$tab%u:%g$tab%d:%i" "$path" 2>/dev/null) || continue
    type=o sum=- target=''
    case $facts in
      regular*) type=f sum=$(sum_of "$path") ;;
      'symbolic link'*) type=l target=$(readlink "$path") ;;
      directory*) type=d ;;
    esac
    facts=${facts#*"$tab"}
    id=${facts##*"$tab"}
    printf '%s\n' "$item$tab$how$tab$type$tab${facts%"$tab"*}$tab$sum$tab$id$tab$path$tab$target"
  done
}

# `led ITEM PATH`: a link in live leads to it from outside, or through it; `read ITEM PATH`: nginx reads it, or reads
# something through it; and who else names it.
forbidden() {
  {
    printf '%s\n' "$entries" | sed "s/^/entry$tab/"
    set +f
    set -- "$root"/live/*/*.pem
    set -f
    stat -L -c "led$tab%d:%i$tab%n" "$@" 2>/dev/null
    QUOTING_STYLE=literal stat -c "link$tab%n$tab%N" "$@" 2>/dev/null
    printf '%s\n' "$reads" | with_each stat -L -c "read$tab%d:%i$tab%n" --
    printf '%s\n' "$reads" | QUOTING_STYLE=literal with_each stat -c "link$tab%n$tab%N" --
  } | awk -F'\t' -v token="$token" "$passing"
  named_elsewhere
}

# shellcheck disable=SC2016
passing='
  $1 == "entry" {
    if ($3 == "lineage") next
    if ($4 == "f") of[$8] = of[$8] " " $2
    if ($4 == "l") link[$9] = $10
    at[$9] = at[$9] " " $2
    own[$2, $9]
    next
  }
  $1 == "link" {
    target = $3
    if (index(target, " -> ")) {
      target = substr(target, index(target, " -> ") + 4)
      if (target ~ /^\047.*\047$/) target = substr(target, 2, length(target) - 2)
      link[$2] = target
    }
    next
  }
  { kind[++starts] = $1; start[starts] = $3; if ($2 in of) forbid(of[$2], $1, $3) }
  END {
    for (i = 1; i <= starts; i++) {
      path = start[i]
      for (hops = 0; hops < 9; hops++) {
        for (over = path; over != ""; sub(/\/[^\/]*$/, "", over)) if (over in at) forbid(at[over], kind[i], start[i])
        if (!(path in link)) break
        path = whole(path, link[path])
      }
    }
  }
  # What a link itself belongs to, it may lead to; nginx may not read it even so.
  function forbid(items, kind, place,   count, n, item) {
    count = split(items, item, " ")
    for (n = 1; n <= count; n++) {
      if ((kind == "led" && (item[n], place) in own) || (kind, item[n], place) in said) continue
      said[kind, item[n], place]
      print token, kind, item[n], place
    }
  }
  function whole(path, target,   count, n, part, result) {
    if (target !~ /^\//) { sub(/\/[^\/]*$/, "", path); target = path "/" target }
    count = split(target, part, "/")
    result = ""
    for (n = 1; n <= count; n++) {
      if (part[n] == "..") sub(/\/[^\/]*$/, "", result)
      else if (part[n] != "" && part[n] != ".") result = result "/" part[n]
    }
    return result
  }'

# What nginx reads into $reads, what its configuration is made of into $dumped. A path with a variable in it is any.
examine_nginx() {
  said=''
  for service in $services; do
    [ "$service" != nginx ] || said=$(reader=configuration && configured test examine)
  done
  service=''
  tested=$(printf '%s\n' "$said" | sed -n "s/^$token test //p")
  dumped=$(printf '%s\n' "$said" | sed -n "s/^$token conf file$tab//p")
  reads=$(printf '%s\n' "$said" | read_files | sed 's/^folder //')
  variable=$(printf '%s\n' "$said" |
    grep -E "^$token conf set${tab}[0-9]+${tab}[a-z_]*ssl_(trusted_|client_)?certificate(_key)?${tab}[^$tab]*[$]")
  said=''
}
