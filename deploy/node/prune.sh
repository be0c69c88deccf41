# shellcheck shell=sh
# Takes away what the order says, if it is still what was seen and still nobody's: into a backup, as one transaction that
# leaves the node untouched or complete. A run that was cut off is undone by the next.

prune() {
  open_or_make_root
  recover
  chosen_backup
  [ ! -e "$folder" ] || fail prune unchanged order
  services_pass || fail baseline unchanged broken
  examine_nginx
  if [ "$tested" != 0 ] || [ -n "$variable" ]; then fail baseline unchanged unknown; fi
  entries=$(list_entries) || repeat "$entries"
  choose
  [ -n "$going" ] || return 0
  manifest=unfinished
  said=$(take_away 2>&1) || undo_prune take
  services_pass || undo_prune needed
  said=$(mv "$folder/unfinished" "$folder/manifest" 2>&1 && sync "$folder" 2>&1) || undo_prune take
  say backup "$backup"
}

services_pass() {
  for service in $services; do configured test hear || return 1; done
  service=''
}

open_or_make_root() {
  if [ ! -d "$root" ]; then said=$(mkdir "$root" 2>&1) || fail lock unchanged root; fi
  cd "$root" 2>/dev/null || fail lock unchanged root
  if [ ! -d archive ]; then said=$(mkdir archive 2>&1) || fail lock unchanged root; fi
  take_lock
}

# Items whose entries are those of the order and which nothing forbids: their entries into $going.
choose() {
  prohibited=$(forbidden) || repeat "$prohibited"
  case $prohibited in *"$token lacking "*) fail prune unchanged lacking ;; esac
  verdicts=$(
    {
      printf '%s\n' "$order" | sed -n "s/^expect \([0-9]*\) /wanted$tab\1$tab/p"
      printf '%s\n' "$entries" | awk -F'\t' '$2 != "lineage" && NF { print "found\t" $0 }'
      printf '%s\n' "$prohibited" | sed "s/^$token //; s/ /$tab/; s/ /$tab/"
    } | awk -F'\t' '
      { item = $2 }
      $1 == "wanted" { rest = $0; sub(/^[^\t]*\t[^\t]*\t/, "", rest); wanted[item] = wanted[item] "\n" rest; items[item] }
      $1 == "found" { found[item] = found[item] "\n" $4 " " $5 " " $6 " " $7 " " $9 " " $10 }
      $1 == "led" || $1 == "read" { if (!(item in why)) why[item] = $1 " " $3 }
      $1 == "named" && $3 ~ /^service / { if (!(item in why)) why[item] = "named " substr($3, 9) }
      END {
        for (item in items) {
          if (wanted[item] != found[item]) why[item] = "changed"
          print (item in why) ? "stays " item " " why[item] : "goes " item
        }
      }'
  )
  printf '%s\n' "$verdicts" | sed -n "s/^stays /$token stays /p; s/^goes /$token goes /p"
  going=$(
    {
      printf '%s\n' "$verdicts" | sed -n "s/^goes //p"
      echo
      printf '%s\n' "$entries"
    } | awk -F'\t' '!NF { ready = 1; next } !ready { goes[$1]; next } $1 in goes && $2 != "lineage" {
      sub(/^[^\t]*\t[^\t]*\t/, ""); print
    }' | cut -f 1-4,6-
  )
}

take_away() {
  [ -d pruned ] || mkdir pruned || return 1
  mkdir "$folder" && printf '%s\n' "$going" >"$folder/unfinished" && sync "$folder/unfinished" "$folder" pruned . ||
    return 1
  each_entry "$folder/unfinished" take_one || return 1
  sync -f "$folder" 2>/dev/null || sync
}

# A folder that something has come into meanwhile stays.
take_one() {
  case $type in
    f | l) carry "$path" "$folder/files$path" ;;
    d) rmdir "$path" 2>/dev/null || : ;;
  esac
}

undo_prune() {
  words=$said code=$status culprit=$service
  [ ! -f "$folder/unfinished" ] || said=$(put_back 2>&1) || fail prune degraded back "$folder"
  rmdir "$folder" pruned 2>/dev/null
  said=$words status=$code service=$culprit
  fail prune restored "$1"
}
