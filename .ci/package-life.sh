#!/bin/sh
# The life of the .deb on a front-end: a stand-in for OpenNebula's files, and dpkg as it is. Run as root in a bare Debian root.
set -eu
export DEBIAN_FRONTEND=noninteractive
cd /packages
architecture=$(dpkg --print-architecture)
package=$(echo linstor-un_*_"$architecture".deb)

say() { echo "package: $*"; }
fail() {
  echo "package: FAILED: $*"
  exit 1
}

useradd --system --home-dir /var/lib/one --shell /bin/bash oneadmin
mkdir -p /etc/one/vmm_exec /var/lib/one/remotes/vmm/kvm /var/lib/one/remotes/etc/datastore /usr/lib/one/mads /var/log/one
cat >/etc/one/oned.conf <<'CONF'
PORT = 2633
VM_MAD = [
    NAME       = "kvm",
    EXECUTABLE = "one_vmm_exec",
    ARGUMENTS  = "-t 15 -r 0 -p kvm",
    TYPE       = "kvm" ]
TM_MAD = [
    EXECUTABLE = "one_tm",
    ARGUMENTS  = "-t 15 -d dummy,lvm,shared,ssh" ]
DATASTORE_MAD = [
    EXECUTABLE = "one_datastore",
    ARGUMENTS  = "-t 15 -d dummy,fs,lvm -s shared,ssh" ]
CONF
echo 'LIVE_DISK_SNAPSHOTS="kvm-qcow2 kvm-ceph"' >/etc/one/vmm_exec/vmm_execrc
echo 7.2.0 >/var/lib/one/remotes/VERSION
printf '#!/bin/bash\n' >/var/lib/one/remotes/vmm/kvm/save
printf '#!/bin/sh\n' >/usr/lib/one/mads/one_tm
chmod 755 /var/lib/one/remotes/vmm/kvm/save /usr/lib/one/mads/one_tm
chown -R oneadmin:oneadmin /var/lib/one /var/log/one

# Content, kind and mode of everything that is OpenNebula's.
state() { find /etc/one /var/lib/one -printf '%p %y %m %l\n' -type f -exec sha256sum {} + | sort; }
state >/before

say "$package is installed with what it needs, and changes no configuration"
apt-get install -y -qq --no-install-recommends "./$package" >/install.log 2>&1 || { cat /install.log; fail 'apt-get install'; }
state | diff /before - || fail 'the package changed configuration'
grep -q "linstor_un install" /install.log || { cat /install.log; fail 'it does not say what to run'; }
version=$(linstor_un --version)
[ "$version" = "linstor_un $(dpkg-query -W -f '${Version}' linstor-un)" ] || fail "linstor_un --version: $version"

say 'linstor_un install registers the driver, and once is enough'
linstor_un install --yes
grep -q 'NAME *= *"linstor_un"' /etc/one/oned.conf || fail 'oned.conf has no linstor_un'
[ -e /var/lib/one/remotes/tm/linstor_un/clone ] || fail 'no action link'
state >/installed
linstor_un install --yes
state | diff /installed - || fail 'installing again changed something'

say 'oneadmin calls an action of it'
code=0
su oneadmin -c '/var/lib/one/remotes/tm/linstor_un/clone' >/action.log 2>&1 || code=$?
[ "$code" -ne 0 ] && grep -q '\[USAGE\]\|\[BAD_' /action.log || { cat /action.log; fail "an action without arguments ended with $code"; }

say 'an upgrade replaces the program, leaves the configuration alone, and says what to run'
dpkg-deb -R "$package" /next
sed -i 's/^Version: .*/Version: 99.0.0/' /next/DEBIAN/control
dpkg-deb --root-owner-group -Znone --build /next /next.deb >/dev/null
dpkg -i /next.deb >/upgrade.log 2>&1 || { cat /upgrade.log; fail 'dpkg -i of the next version'; }
grep -q "linstor_un upgrade" /upgrade.log || { cat /upgrade.log; fail 'it does not say what to run'; }
state | diff /installed - || fail 'the upgrade changed configuration'
linstor_un upgrade --yes
state | diff /installed - || fail 'linstor_un upgrade changed what was right'

say 'it is not removed while OpenNebula calls it'
dpkg -r linstor-un >/remove.log 2>&1 && fail 'dpkg removed a registered driver'
grep -q "linstor_un uninstall" /remove.log || { cat /remove.log; fail 'it does not say what to run'; }
linstor_un --version >/dev/null || fail 'the program is gone'

say 'after linstor_un uninstall it goes, and leaves nothing but its log'
linstor_un uninstall --yes
state | diff /before - || fail 'uninstall left something'
if [ ! -x /usr/lib/one/linstor_un/linstor_un ]; then say 'note: uninstall took the program of the package'; fi
dpkg -P linstor-un >/purge.log 2>&1 || { cat /purge.log; fail 'dpkg -P'; }
left=$(find / -xdev \( -path /proc -o -path /sys -o -path /packages -o -path /next \) -prune -o -iname '*linstor*' \
  ! -path /var/log/one/linstor_un.log -print)
[ -z "$left" ] || fail "left: $left"
say 'all is well'
