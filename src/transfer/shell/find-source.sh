if [ -b "$1" ]; then
  size=$(size_of "$1") || exit 1
  echo "block $size 0"
elif [ -f "$1" ]; then
  stat -Lc 'file %s %b' -- "$1"
else
  exit 71
fi
