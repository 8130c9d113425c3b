while read -r key value; do
  case $key in
  flags)
    case " $value " in *' sse4_2 '*) ;; *)
      echo "linstor_un: this machine's processor lacks SSE4.2; give the virtual machine another CPU model, for example host-passthrough or x86-64-v2" >&2
      exit 1 ;;
    esac
    break ;;
  esac
done </proc/cpuinfo
