printf 'qemu-img=%s\n' "$(qemu-img --version 2>/dev/null | sed -n '1s/.*version \([0-9.]*\).*/\1/p')"
for tool in "$@"; do command -v "$tool" >/dev/null 2>&1 || printf 'missing=%s\n' "$tool"; done
true
