restore=$1 file=$2 host=$3 domain=$4 vm=$5 document=$6
shift 6
"$restore" "$file" "$host" "$domain" "$vm" "$host" </dev/null >/dev/null || exit
rm -f -- "$document"
for resource; do rm -f -- "${document%/*}/.reverting-$resource"; done
