# shellcheck shell=sh

# The interpreter that can ask for an exchange, and the number of the system call here.
find_exchanger() {
  exchanger=none
  case ${machine:=$(uname -m)} in
    x86_64) renameat2=316 ;;
    aarch64) renameat2=276 ;;
    *) return ;;
  esac
  if command -v perl >/dev/null; then
    exchanger=perl
  elif command -v python3 >/dev/null; then
    exchanger=python3
  fi
}
