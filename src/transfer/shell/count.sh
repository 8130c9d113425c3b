open_rest "$2" "$3"
from=$(stat -Lc %s "$1") && rest=$(wc -c) && echo $((from + rest))
