exec 5>&1
tee /proc/self/fd/5 | "$1" >"$2"
