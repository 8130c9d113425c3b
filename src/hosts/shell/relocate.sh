set -e
from=$1 to=$2; shift 2
[ -d "$from" ] || exit 71
mkdir -p -- "$to"
cd -- "$from"
while IFS= read -r -d '' entry; do
  name=${entry#./}
  for kept in "$@"; do if [ "$name" = "$kept" ]; then continue 2; fi; done
  # shellcheck disable=SC2115 # neither is empty
  rm -rf --one-file-system -- "$to/$name"
  mv -fT -- "./$name" "$to/$name"
done < <(find . -mindepth 1 -maxdepth 1 -print0)
cd /
rm -rf --one-file-system -- "$from"
