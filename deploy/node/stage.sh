# shellcheck shell=sh
# Brings the files into archive/NAME under their final names, whole and durable, before anything points
# to them. A file that exists there is never changed. Runs in a subshell that catches what its tools say.

stage() {
  set -C
  mkdir "$staging" || return 1
  set --
  checks=''
  for kind in $kinds; do
    [ ! -e "$archive/$kind$number.pem" ] || continue
    content >"$staging/$kind$number.pem" || return 1
    set -- "$@" "$staging/$kind$number.pem"
    sum
    checks="$checks$sum  $staging/$kind$number.pem
"
  done
  [ $# -gt 0 ] || return 0
  follow_former "$@" && sync "$@" || return 1
  summed "$checks" >/dev/null || return 1
  # A link, unlike a rename, fails when the name is taken.
  ln "$@" "$archive/" && sync "$archive" archive
}

content() {
  case $kind in
    privkey) decode "$privkey" ;;
    cert) decode "$cert" ;;
    chain) decode "$chain" ;;
    fullchain) decode "$cert" && decode "$chain" ;;
    combined) if [ "$verb" = install ]; then decode "$cert" && decode "$chain" && decode "$privkey"; else combine; fi ;;
  esac
}

# Of a version that came without it. Each file ends its last line.
combine() { awk 1 "$archive/fullchain$number.pem" "$archive/privkey$number.pem"; }

sum() {
  case $kind in
    privkey) sum=$sum_privkey ;;
    cert) sum=$sum_cert ;;
    chain) sum=$sum_chain ;;
    fullchain) sum=$sum_fullchain ;;
    combined)
      [ "$verb" = install ] || sum_combined=$(combine | sha256sum) sum_combined=${sum_combined%% *}
      sum=$sum_combined
      ;;
  esac
}

summed() {
  sha256sum -c <<END
${1%
}
END
}

# Owner, group and mode follow the key that was there; a key is never readable by all, the rest is public.
follow_former() {
  known=$(stat -L -c '%u:%g %a' "$staging" "$live/privkey.pem" 2>/dev/null)
  case $known in *"
"*) ;; *) known="$known
${known% *} 600" ;; esac
  owner=${known##*
}
  mode=$((0${owner#* } & 0640 | 0400)) owner=${owner% *}
  [ "$owner" = "${known%% *}" ] || chown "$owner" "$@" || return 1
  public=''
  for file in "$@"; do
    case $file in
      "$staging"/privkey* | "$staging"/combined*) [ "$mode" = 384 ] || chmod "$(printf '%o' "$mode")" "$file" || return 1 ;;
      *) public="$public $file" ;;
    esac
  done
  # shellcheck disable=SC2086
  [ -z "$public" ] || chmod 644 $public || return 1
  if [ -e /sys/fs/selinux/enforce ]; then
    chcon --reference="$live/privkey.pem" "$@" 2>/dev/null || restorecon "$@" 2>/dev/null || :
  fi
}

# The first archive file of this version that holds other bytes than those sent, into $file.
differing() {
  present='' other=''
  for kind in $kinds; do
    file=$archive/$kind$number.pem
    if [ -e "$file" ] || [ -L "$file" ]; then
      sum
      present="$present$sum  $file
"
    fi
  done
  [ -z "$present" ] || other=$(summed "$present" 2>/dev/null | sed -n 's/: FAILED.*//p')
  file=${other%%
*}
}

# Whether all files of version $1 are there: certbot's four, or those of the kinds $2.
whole() {
  for kind in ${2-$four}; do [ -f "$archive/$kind$1.pem" ] && [ -s "$archive/$kind$1.pem" ] || return 1; done
}

# Whether key and leaf of version $1 belong together; true where openssl is missing.
paired() {
  command -v openssl >/dev/null || return 0
  public=$(openssl pkey -in "$archive/privkey$1.pem" -passin pass: -pubout 2>/dev/null)
  [ -n "$public" ] && [ "$public" = "$(openssl x509 -in "$archive/fullchain$1.pem" -noout -pubkey 2>/dev/null)" ]
}
