kickstart= cache= label= debug= verbose= log=
while [ $# -gt 0 ]; do
    case $1 in
    -c | --config) kickstart=${2-} && shift ;;
    -f | --fslabel) label=${2-} && shift ;;
    --cache) cache=${2-} && shift ;;
    --logfile) log=${2-} && shift ;;
    -d | --debug) debug=yes ;;
    -v | --verbose) verbose=yes ;;
    *) usage "no such option: $1" ;;
    esac
    shift
done
need --config "$kickstart"
need --fslabel "$label"
need --cache "$cache"
need --logfile "$log"
need --debug "$debug"
need --verbose "$verbose"
[ "$(id -u)" = 0 ] || usage "You must run $tool as root"
[ -e /dev/null ] && [ -c /dev/zero ] || usage "there are no devices in /dev"
[ ${#label} -le 32 ] || usage "a label has 32 characters at most"
case $kickstart in /*) ;; *) usage "the kickstart file is not told by its whole path" ;; esac
open_log "$log"
say "Using label '$label' and name '$label'"
gather "$kickstart" "$cache"
write_iso "$PWD/$label.iso" "$label" "$kickstart"
say "wrote $label.iso"
