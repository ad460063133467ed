kickstart= log= results= project= volume= name= releasever= boot= templates=
flags=" "
while [ $# -gt 0 ]; do
    case $1 in
    --ks) kickstart=${2-} && shift ;;
    --logfile) log=${2-} && shift ;;
    --resultdir) results=${2-} && shift ;;
    --project) project=${2-} && shift ;;
    --volid) volume=${2-} && shift ;;
    --iso-name) name=${2-} && shift ;;
    --releasever) releasever=${2-} && shift ;;
    --extra-boot-args) boot=${2-} && shift ;;
    --lorax-templates) templates=${2-} && shift ;;
    --compress-arg) flags="$flags$1=${2-} " && shift ;;
    --no-virt | --make-iso | --iso-only | --macboot | --nomacboot | --squashfs-only) flags="$flags$1 " ;;
    *) usage "unrecognized arguments: $1" ;;
    esac
    shift
done
need --ks "$kickstart"
need --logfile "$log"
need --resultdir "$results"
need --project "$project"
need --iso-name "$name"
need --releasever "$releasever"
for flag in --no-virt --make-iso --iso-only; do
    case $flags in *" $flag "*) ;; *) usage "$flag is missing" ;; esac
done
case $flags in
*" --macboot "*" --nomacboot "* | *" --nomacboot "*" --macboot "*) usage "--macboot and --nomacboot at once" ;;
*" --macboot "* | *" --nomacboot "*) ;;
*) usage "neither --macboot nor --nomacboot" ;;
esac
[ "$(id -u)" = 0 ] || usage "You need to run this as root"
[ ! -e "$results" ] || usage "The results_dir ($results) should not exist, or should be empty"
[ ${#volume} -le 32 ] || usage "the volume id has 32 characters at most"
[ -z "$templates" ] || [ -d "$templates" ] || usage "The templates directory ($templates) doesn't exist"
open_log "$log"
logs=$(dirname "$log")
say "livemedia-creator: flags$flags"
[ -z "$boot" ] || say "boot arguments: $boot"
[ -z "$templates" ] || say "templates: $(ls "$templates")"
mkdir -p "$logs/anaconda"
echo "Running anaconda." >"$logs/program.log"
: >"$logs/virt-install.log"
echo "anaconda: starting" >"$logs/anaconda/anaconda.log"
: >"$logs/anaconda/empty.log"
gather "$kickstart" "$(mktemp -d)"
echo "anaconda: packages are installed" >"$logs/anaconda/packaging.log"
mkdir -p "$results"
write_iso "$results/$name" "${volume:-$project}" "$kickstart"
say "Disk Image install successful"
