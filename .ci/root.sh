# shellcheck shell=bash
# A bare Debian root with this machine's way to its package registries; removed at the end. Sets $root. Root only.
make_root() {
  local suite=$1
  command -v debootstrap >/dev/null 2>&1 || {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap >/dev/null
  }
  root=$(mktemp -d)
  # Tests step down to other users, who have to get in.
  chmod 755 "$root"
  trap 'rm -rf "$root" "$root.log"' EXIT
  debootstrap --variant=minbase --include=ca-certificates "$suite" "$root" >"$root.log" 2>&1 || {
    tail -n 20 "$root.log"
    exit 1
  }
  rm -f "$root.log"
  cp -L /etc/resolv.conf "$root/etc/resolv.conf"
  for each in /etc/apt/apt.conf.d/*registry*; do [ -e "$each" ] && cp "$each" "$root/etc/apt/apt.conf.d/"; done
  [ -e "$HOME/.npmrc" ] && cp "$HOME/.npmrc" "$root/root/.npmrc"
  authorities=/etc/ssl/certs/ca-certificates.crt
  cp -L "$authorities" "$root$authorities"
}

# shellcheck disable=SC2016 # read by the shells inside
in_root() {
  unshare --mount --propagation private --pid --fork bash -c '
    mount --bind "$0" "$0" && mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && mount -t sysfs sys "$0/sys" &&
      exec chroot "$0" env -i HOME=/root TERM=dumb PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        NODE_EXTRA_CA_CERTS='"$authorities"' SSL_CERT_FILE='"$authorities"' PIP_CERT='"$authorities"' sh -c "$1"' "$root" "$1"
}
