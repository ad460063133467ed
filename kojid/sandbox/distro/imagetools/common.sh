# What the stand-ins for image tools share. Each script is this text and its own behind it.
set -u
tool=${0##*/}
logfile=

# A command line that the real tool would not take, or not the way that a builder has to use it.
usage() {
    echo "$tool: error: $*" >&2
    exit 2
}

say() {
    echo "$*"
    [ -z "$logfile" ] || echo "$*" >>"$logfile"
}

fail() {
    say "$tool: error: $*"
    exit 1
}

# open_log FILE: everything that is said goes there as well
open_log() {
    mkdir -p "$(dirname "$1")"
    : >"$1" || usage "cannot write $1"
    logfile=$1
}

# need NAME VALUE: an option that has to be there
need() {
    [ -n "$2" ] || usage "$1 is missing"
}

# fetch URL FILE
fetch() {
    local url=$1 out=$2 host port path line status length
    case $url in
    file://*)
        cp "${url#file://}" "$out"
        return
        ;;
    http://*) ;;
    *) fail "cannot fetch $url" ;;
    esac
    url=${url#http://}
    host=${url%%/*} path=/${url#*/} port=80
    case $host in *:*) port=${host##*:} host=${host%:*} ;; esac
    exec 3<>"/dev/tcp/$host/$port" || fail "cannot connect to $host:$port"
    printf 'GET %s HTTP/1.0\r\nHost: %s:%s\r\nConnection: close\r\n\r\n' "$path" "$host" "$port" >&3
    read -r line <&3
    status=${line#* } status=${status%% *} length=
    while read -r line <&3 && line=${line%$'\r'} && [ -n "$line" ]; do
        case ${line,,} in content-length:*) length=${line#*:} length=${length// /} ;; esac
    done
    if [ "$status" = 200 ]; then
        if [ -n "$length" ]; then head -c "$length" <&3 >"$out"; else cat <&3 >"$out"; fi
    fi
    exec 3>&-
    [ "$status" = 200 ]
}

unpacked() {
    case $1 in
    *.gz) gzip -dc "$1" ;;
    *.xz) xz -dc "$1" ;;
    *.bz2) bzip2 -dc "$1" ;;
    *.zst) zstd -dcq "$1" ;;
    *) cat "$1" ;;
    esac
}

# wanted KICKSTART: the packages that it names
wanted() {
    awk '/^%packages/ {inside = 1; next} /^%end/ {inside = 0} inside && /^[A-Za-z0-9]/ {print $1}' "$1"
}

# repositories KICKSTART: their addresses
repositories() {
    sed -n 's/^repo .*--baseurl=\([^ ]*\).*/\1/p' "$1" | tr -d '"'
}

# gather KICKSTART CACHE: fetch what it names from the repositories that it names, as an installation would
gather() {
    local kickstart=$1 cache=$2 url number=0 name directory primary location
    [ -s "$kickstart" ] || fail "cannot read $kickstart"
    [ -n "$(repositories "$kickstart")" ] || fail "the kickstart file has no repositories"
    for url in $(repositories "$kickstart"); do
        url=${url%/}
        number=$((number + 1)) directory=$cache/repo$number
        mkdir -p "$directory/packages"
        fetch "$url/repodata/repomd.xml" "$directory/repomd.xml" || fail "cannot fetch $url/repodata/repomd.xml"
        primary=$(grep -o 'href="[^"]*primary\.xml[^"]*"' "$directory/repomd.xml" | head -n 1 | cut -d'"' -f2)
        fetch "$url/$primary" "$directory/${primary##*/}" || fail "cannot fetch $url/$primary"
        unpacked "$directory/${primary##*/}" >"$directory/primary.xml" || fail "cannot read $primary"
    done
    for name in $(wanted "$kickstart"); do
        number=0 location=
        for url in $(repositories "$kickstart"); do
            url=${url%/}
            number=$((number + 1)) directory=$cache/repo$number
            location=$(located "$name" "$directory/primary.xml")
            [ -n "$location" ] || continue
            case $location in http://* | file://*) ;; *) location=$url/$location ;; esac
            say "installing $name from $location"
            fetch "$location" "$directory/packages/${location##*/}" || fail "cannot fetch $location"
            break
        done
        [ -n "$location" ] || fail "no package $name in the repositories"
    done
}

located() {
    tr '\n' ' ' <"$2" | sed 's/<package /\n&/g' | grep -F "<name>$1</name>" | grep -v '<arch>src</arch>' |
        head -n 1 | sed -n 's/.*<location href="\([^"]*\)".*/\1/p' |
        sed 's/^\(.*\)$/\1/'
}

# write_iso FILE VOLUME_ID KICKSTART
write_iso() {
    local tree
    tree=$(mktemp -d)
    mkdir -p "$tree/LiveOS" "$tree/isolinux"
    wanted "$3" >"$tree/LiveOS/squashfs.img"
    echo "default linux" >"$tree/isolinux/isolinux.cfg"
    xorrisofs -quiet -R -J -V "$2" -o "$1" "$tree" || fail "xorrisofs failed"
    rm -rf "$tree"
}
