set -e
umask 077
case $1 in /*/backup) ;; *) echo "$1 is not a backup directory" >&2; exit 1 ;; esac
rm -rf --one-file-system -- "$1"
mkdir -p -- "$1"
cat >"$1/vm.xml"
