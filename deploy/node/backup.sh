# shellcheck shell=sh
# What was taken away lies in ROOT/pruned/ID/files under its former path, in the same inode where the file system is the
# same; `manifest` says what it was. While a run is at it, the manifest is called `unfinished`.

# carry FROM TO: a link and an unlink, so that it is at one of both places at least, and nothing is written over.
carry() {
  folder_for "$2" || return 1
  if ! ln "$1" "$2" 2>/dev/null; then
    [ ! -e "$2" ] && [ ! -L "$2" ] || return 1
    rm -f "$2.part" && cp -a "$1" "$2.part" || return 1
    [ -L "$1" ] || { sync "$2.part" && [ "$(sum_of "$1")" = "$(sum_of "$2.part")" ]; } || return 1
    mv "$2.part" "$2" || return 1
  fi
  rm -f "$1"
}

folder_for() { [ -d "${1%/*}" ] || mkdir -p "${1%/*}"; }

# each_entry MANIFEST COMMAND: with $type $mode $owner $sum $path $target set.
each_entry() {
  while IFS=$tab read -r type mode owner sum path target <&4; do
    case $path in /*) "$2" || return 1 ;; esac
  done 4<"$1"
}

# Folders first: entries stand in the manifest with what is inside before what it is in.
put_back() {
  sed -n '/^d/p' "$folder/$manifest" | sed '1!G;h;$!d' >"$folder/folders"
  each_entry "$folder/folders" make_folder && each_entry "$folder/$manifest" bring_back || return 1
  sync -f "$folder" 2>/dev/null || sync
  rm -rf "$folder/files" && rm -f "$folder/folders" "$folder/$manifest" && rmdir "$folder" || return 1
  leave_no_trace
}

make_folder() {
  [ ! -d "$path" ] || return 0
  mkdir "$path" && chown "$owner" "$path" && chmod "$mode" "$path"
}

bring_back() {
  from=$folder/files$path
  case $type in f | l) ;; *) return 0 ;; esac
  [ -e "$from" ] || [ -L "$from" ] || return 0
  # Cut off between link and unlink, it is at both.
  if is_same "$from" "$path"; then rm -f "$from"; else carry "$from" "$path"; fi
}

is_same() {
  if [ -L "$1" ]; then
    [ -L "$2" ] && [ "$(readlink "$1")" = "$(readlink "$2")" ]
  else
    # shellcheck disable=SC3013
    [ "$1" -ef "$2" ] || { [ -f "$2" ] && [ ! -L "$2" ] && [ "$(sum_of "$1")" = "$(sum_of "$2")" ]; }
  fi
}

# What stands where something is to come back, or what is no more what it was.
find_conflict() {
  from=$folder/files$path
  case $type in f | l) ;; *) return 0 ;; esac
  if [ ! -e "$from" ] && [ ! -L "$from" ]; then
    [ -e "$path" ] || [ -L "$path" ] || say conflict "missing $path"
  elif [ "$type" = f ] && [ "$(sum_of "$from")" != "$sum" ]; then
    say conflict "damaged $path"
  elif [ -e "$path" ] || [ -L "$path" ]; then
    is_same "$from" "$path" || say conflict "taken $path"
  fi
}

# A root that a backup alone had made goes with it.
leave_no_trace() {
  rmdir pruned 2>/dev/null
  [ ! -e pruned ] || return 0
  [ ! -e live ] && [ ! -e renewal ] || return 0
  rmdir archive 2>/dev/null && cd / && rmdir "$root" 2>/dev/null
  return 0
}

# A run that was cut off is as if it had not been.
recover() {
  set +f
  set -- pruned/*/unfinished
  set -f
  for path in "$@"; do
    [ -f "$path" ] || continue
    folder=${path%/*} manifest=unfinished
    said=$(put_back 2>&1) || fail prune degraded back "$folder"
    say recovered "${folder##*/}"
  done
  set +f
  rmdir pruned/* pruned 2>/dev/null
  set -f
}

# The backup that the order names.
chosen_backup() {
  values_named backup
  named "$value" || fail prune unchanged order
  backup=$value folder=pruned/$value manifest=manifest
}

values_named() {
  value=''
  while IFS= read -r line; do
    case $line in "$1 "*) value=${line#* } ;; esac
  done <<END
$order
END
}

# What a run that was cut off left, before anything is looked at.
mend() {
  open_root
  recover
  leave_no_trace
}

restore() {
  open_root
  recover
  chosen_backup
  [ -f "$folder/$manifest" ] || fail prune unchanged absent
  conflicts=$(each_entry "$folder/$manifest" find_conflict)
  [ -z "$conflicts" ] || {
    printf '%s\n' "$conflicts"
    fail prune unchanged conflict
  }
  count=$(grep -c '^[fl]' "$folder/$manifest")
  said=$(put_back 2>&1) || fail prune changed back "$folder"
  say restored "$count"
}

backups() {
  cd "$root" 2>/dev/null || return 0
  set +f
  for path in pruned/*; do
    for manifest in manifest unfinished; do
      [ ! -f "$path/$manifest" ] || say backup "${path##*/} $manifest $(grep -c '^[fl]' "$path/$manifest") $(
        du -sk "$path" | { read -r size rest && printf '%s' "$size"; }
      )"
    done
  done
  set -f
}

# The manifest last, so that what is left of it can be seen and discarded.
forget() {
  open_root
  chosen_backup
  [ -f "$folder/$manifest" ] || fail prune unchanged absent
  said=$(rm -rf "$folder/files" 2>&1 && rm -rf "$folder" 2>&1) || fail prune changed discard "$folder"
  leave_no_trace
}
