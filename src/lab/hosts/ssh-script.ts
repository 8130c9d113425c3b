/**
 * The lab's `ssh`: runs a command on this machine as if on a host of the lab. A constant text; what varies is read
 * from files of the lab, so that one installed script serves every lab and a call costs a few milliseconds.
 *
 * Kept as the real one: option grammar, exit code 255 with its own message for every trouble of the connection,
 * the command's exit code otherwise, standard streams passed through unbuffered, none of the caller's environment
 * on the other side.
 */
export const sshScript = String.raw`#!/bin/sh
# ssh of a linstor_un lab: the hosts are directories of the lab, nothing leaves this machine.
lab=$(cd "${'$'}{0%/*}/.." && pwd) || exit 255
options=46AaCfGgKkMNnqsTtVvXxYyB:b:c:D:E:e:F:I:i:J:L:l:m:O:o:P:p:Q:R:S:W:w:
connect_timeout=120 no_stdin= forward= show=
take_options() {
  OPTIND=1
  while getopts "$options" opt; do
    case $opt in
      o) case $OPTARG in
           [Cc]onnect[Tt]imeout=*) connect_timeout=${'$'}{OPTARG#*=} ;;
         esac ;;
      n) no_stdin=1 ;;
      G) show=1 ;;
      L) forward=$OPTARG ;;
      V) echo 'OpenSSH_9.2p1 (linstor_un lab)' >&2; exit 0 ;;
      O) echo 'No ControlPath specified for "-O" command' >&2; exit 255 ;;
      '?') echo 'usage: ssh [options] destination [command [argument ...]]' >&2; exit 255 ;;
    esac
  done
}
take_options "$@"; shift $((OPTIND - 1))
[ $# -gt 0 ] || { echo 'usage: ssh [options] destination [command [argument ...]]' >&2; exit 255; }
host=${'$'}{1#ssh://}; host=${'$'}{host##*@}; shift
case ${'$'}{1-} in -*) take_options "$@"; shift $((OPTIND - 1)) ;; esac
if [ -n "$show" ]; then
  printf '%s\n' "host $host" "hostname $host" 'port 22' 'ciphers chacha20-poly1305@openssh.com,aes128-gcm@openssh.com'
  exit
fi
dir=$lab/hosts/$host
case $host in
  ''|.*|*/*) known= ;;
  *) known=1 ;;
esac
if [ -z "$known" ] || [ ! -d "$dir" ]; then
  echo "ssh: Could not resolve hostname $host: Name or service not known" >&2
  exit 255
fi
command=$*
[ -n "$no_stdin" ] && exec </dev/null
[ -e "$dir/commands" ] && printf '%s\0' "$command" >>"$dir/commands"

# The first fault rule that matches: MODE ARGUMENT SKIP TIMES SUBSTRING (hosts/faults.ts writes them).
mode= argument=
take_fault() {
  exec 9>"$dir/fault.lock" && flock 9
  [ -e "$dir/fault" ] || { exec 9>&-; return; }
  while IFS='	' read -r f_mode f_argument f_skip f_times f_match; do
    if [ -z "$mode" ] && { [ -z "$f_match" ] || [ "$command" != "${'$'}{command#*"$f_match"}" ]; }; then
      if [ "$f_skip" -gt 0 ]; then
        f_skip=$((f_skip - 1))
      else
        mode=$f_mode argument=$f_argument
        [ "$f_times" -ne 1 ] || continue
        [ "$f_times" -eq 0 ] || f_times=$((f_times - 1))
      fi
    fi
    printf '%s\t%s\t%s\t%s\t%s\n' "$f_mode" "$f_argument" "$f_skip" "$f_times" "$f_match"
  done <"$dir/fault" >"$dir/fault.new"
  mv "$dir/fault.new" "$dir/fault"
  exec 9>&-
}
[ -e "$dir/fault" ] && take_fault
# Sockets only: all hosts have one /tmp here, so a link leads from one to the other.
case $forward in /*:/*) ln -s "${'$'}{forward#*:}" "${'$'}{forward%%:*}" || exit 255 ;; esac

run() {
  # A session on another host sees that host's devices alone: from there it goes by way of where the first session was opened.
  outside=$PPID through=
  if [ -n "${'$'}{LAB_OUTSIDE:-}" ]; then
    outside=$LAB_OUTSIDE
    [ -r "/proc/$outside/ns/mnt" ] && through="nsenter --mount=/proc/$outside/ns/mnt"
  fi
  IFS='	' read -r isolation location <"$lab/hosts/.isolation"
  # The other side knows nothing of the caller's environment, and a session starts in the home directory.
  cd "$dir/home" || exit 255
  set -- env -i "PATH=$dir/bin:$lab/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" "HOME=$dir/home" \
    "USER=oneadmin" "LOGNAME=oneadmin" "SHELL=/bin/bash" "LAB_HOST=$host" "LAB_OUTSIDE=$outside" bash ${'$'}{command:+-c} ${'$'}{command:+"$command"}
  case $isolation in
    root) set -- $through unshare -m --propagation private -- /bin/sh -c 'cd "$1/home" || exit 255; '"$enter" sh "$dir" "$location" "$@" ;;
    user) set -- unshare -rm --propagation private -- /bin/sh -c "$enter" sh "$dir" "$location" "$@" ;;
  esac
  exec "$@"
}
# Own file tree below the datastore location, own device directory.
enter='dir=$1; mount --bind "$dir/datastores" "$2" || exit 255; shift 2
if [ -e "$dir/mounts" ]; then
  while IFS="	" read -r from to; do
    # From within a session on another host these devices are out of sight already.
    [ ! -d "$from" ] || mount --rbind "$from" "$to" || exit 255
  done <"$dir/mounts"
fi
# DRBD without quorum: nobody opens it for writing, or who opens it waits (satellite/starved.ts).
lab=${'$'}{dir%/hosts/*} host=${'$'}{dir##*/}
if [ -s "$lab/linstor/noquorum/$host" ]; then
  while IFS="	" read -r name how; do
    device=$lab/linstor/dev/$host/$name
    [ -e "$device" ] || continue
    case $how in
      # Nobody is at the other end: opening waits, as I/O that stands still does.
      frozen)
        [ -p "$dir/frozen" ] || mkfifo "$dir/frozen" || exit 255
        mount --bind "$dir/frozen" "$device" || exit 255 ;;
      *) mount --bind "$device" "$device" && mount -o remount,bind,ro "$device" || exit 255 ;;
    esac
  done <"$lab/linstor/noquorum/$host"
fi
exec "$@"'

case $mode in
  '') run ;;
  refused)
    echo "ssh: connect to host $host port 22: Connection refused" >&2
    exit 255 ;;
  down)
    [ "$argument" -lt "$connect_timeout" ] && connect_timeout=$argument
    sleep "$connect_timeout"
    echo "ssh: connect to host $host port 22: Connection timed out" >&2
    exit 255 ;;
  hang) exec sleep "$argument" ;;
  slow) sleep "$argument"; run ;;
  fail) exit "$argument" ;;
  lost)
    # Done on the other side, but the answer never arrives.
    (run) >/dev/null 2>&1
    echo "client_loop: send disconnect: Broken pipe" >&2
    exit 255 ;;
  die)
    # As many bytes pass in either direction, then the connection is gone: the other side sees the end of its input.
    pipe=$dir/fault.pipe.$$
    mkfifo "$pipe" || exit 255
    exec 3<&0
    head -c "$argument" <&3 >"$pipe" &
    feeder=$!
    (run) <"$pipe" | head -c "$argument"
    kill "$feeder" 2>/dev/null
    rm -f "$pipe"
    echo "client_loop: send disconnect: Broken pipe" >&2
    exit 255 ;;
  *) echo "ssh: unknown fault $mode" >&2; exit 255 ;;
esac
`;

/** This machine's scp over the lab's ssh; with the old protocol, which needs nothing but scp on the other side. */
export const scpScript = `#!/bin/sh
# scp of a linstor_un lab
lab=$(cd "${'$'}{0%/*}/.." && pwd) || exit 255
PATH=$(printf %s "$PATH" | sed "s#$lab/bin:##g"):/usr/local/bin:/usr/bin:/bin
exec scp -O -S "$lab/bin/ssh" "$@"
`;
