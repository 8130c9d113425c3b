device=$1 wanted=$2 program=$3; shift 3
case $(kind_of "$device") in block|file) ;; *) exit 71 ;; esac
require_volume "$device" "$wanted"
"$program" "$@" "$device" </dev/null >/dev/null && flush "$device"
