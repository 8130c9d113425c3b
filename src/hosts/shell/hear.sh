hear() { # drops everything to the greeting on stdin
  local line count=0
  while [ $((count += 1)) -le 2000 ] && IFS= read -r -n 4096 line; do
    if [ "$line" = linstor_un-answers-4f0d6a52 ]; then return; fi
  done
  return 1
}
