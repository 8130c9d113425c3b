domain=$1 directory=$2
if [ -n "$domain" ] && sudo -n -l 2>/dev/null | grep -q vtpm_setup; then
  sudo -n /var/tmp/one/vtpm_setup backup "$domain" "$directory" >&2 || exit 1
fi
[ -d "$directory/tpm" ] || exit 71
tar czf - -C "$directory" tpm
