#!/bin/sh
# linstor_un: passes the name that was called on to the binary, which is outside remotes/.
unset NODE_TLS_REJECT_UNAUTHORIZED NODE_EXTRA_CA_CERTS BUN_CONFIG_VERBOSE_FETCH
ulimit -c 0 2>/dev/null
d=${0%/*}
case $d in /*) ;; *) d=$(cd "$d" && pwd) ;; esac
k=${d%/*}
b=@binary@
[ -x "$b" ] || b=${d%%@var@/remotes/*}$b
if [ ! -x "$b" ]; then
  echo "linstor_un: @binary@ is not on this machine; run 'linstor_un install' on the front-end" >&2
  exit 1
fi
# @processor@
LINSTOR_UN_CALLED_AS=$d/${0##*/} exec "$b" "${k##*/}" "${0##*/}" "$@"
