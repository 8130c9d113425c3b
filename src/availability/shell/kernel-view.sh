command -v drbdsetup >/dev/null 2>&1 || { echo 'drbdsetup is not installed' >&2; exit 3; }
uname -n
timeout 15 drbdsetup status --json </dev/null || exit 4
echo ---
timeout 15 drbdsetup show --json </dev/null || exit 4
