kickstart= cache= out= debug= verbose= log= name= version= release= memory=512 processors=1 format=raw
while [ $# -gt 0 ]; do
    case $1 in
    -c | --config) kickstart=${2-} && shift ;;
    -o | --outdir) out=${2-} && shift ;;
    -n | --name) name=${2-} && shift ;;
    --cache) cache=${2-} && shift ;;
    --logfile) log=${2-} && shift ;;
    --vmem) memory=${2-} && shift ;;
    --vcpu) processors=${2-} && shift ;;
    --format) format=${2-} && shift ;;
    --version) version=${2-} && shift ;;
    --release) release=${2-} && shift ;;
    -d | --debug) debug=yes ;;
    -v | --verbose) verbose=yes ;;
    *) usage "no such option: $1" ;;
    esac
    shift
done
need --config "$kickstart"
need --outdir "$out"
need --name "$name"
need --cache "$cache"
need --logfile "$log"
need --version "$version"
need --release "$release"
need --debug "$debug"
need --verbose "$verbose"
case $memory$processors in *[!0-9]*) usage "--vmem and --vcpu are numbers" ;; esac
case $format in raw | qcow | qcow2 | vmx) ;; *) usage "unknown format $format" ;; esac
[ -d "$out" ] || usage "$out is no directory"
[ "$(id -u)" = 0 ] || usage "You must run $tool as root"
open_log "$log"
gather "$kickstart" "$cache"
disk=$(sed -n 's/^part .*\/ .*--ondisk=\([a-z]*\).*/\1/p' "$kickstart")
mkdir "$out/$name"
extension=$format
[ "$format" = vmx ] && extension=vmdk
image=$name-${disk:-sda}.$extension
truncate -s 1M "$out/$name/$image"
cat >"$out/$name/$name.xml" <<XML
<?xml version="1.0"?>
<image>
  <name>$name</name>
  <devices><vcpu>$processors</vcpu><memory>$((memory * 1024))</memory></devices>
  <storage><disk file="$image" format="$format" use="system"/></storage>
</image>
XML
say "wrote $image"
