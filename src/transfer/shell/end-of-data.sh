sed -n 's/.*"length": \([0-9]*\),.*"data": true\(.*"offset": \([0-9]*\)\)\{0,1\}.*/\1 \3/p' |
  awk -v plain="$1" -v packed="$2" '
    NF == 2 { end = $1 + $2; if (end > most) most = end; held += $1 }
    NF == 1 { unpacked += $1 }
    held > plain || unpacked > packed { too_much = 1; exit }
    END { if (too_much) print "too much"; else printf "%.0f\n", most }'
