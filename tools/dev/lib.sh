# lib.sh - what setup, demo and check share. Sourced by them, not run.
#
# Environment:
#   MK_PRESET         preset of CMakePresets.json to build (release)
#   MK_JOBS           parallel jobs (one for each CPU, fewer when memory is short)
#   MK_SKIP_PACKAGES  1: do not look for packages; for systems where they come from elsewhere
#   MK_CUDA_VERSION   the CUDA whose wheels setup --cuda installs (13.0); the driver has to know its major version

MK_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
MK_PRESET=${MK_PRESET:-release}
MK_BUILD=$MK_ROOT/build/$MK_PRESET
MK_SCRIPT=tools/dev/$(basename "$0")

# One package for each line of need: compiler and LLVM, what LLVM's CMake files look for, build tools, our libraries,
# test tools.
MK_PACKAGES=(
  clang-22 lld-22 llvm-22-dev llvm-22-tools libmlir-22-dev mlir-22-tools libclang-rt-22-dev clang-format-22
  libzstd-dev libedit-dev libcurl4-openssl-dev libxml2-dev zlib1g-dev
  cmake ninja-build ccache git ca-certificates
  libexpected-dev nlohmann-json3-dev
  libgtest-dev libgmock-dev libbenchmark-dev python3 python3-numpy spin
)

# What setup --cuda installs: ptxas, libdevice, nvJitLink, and NVRTC to measure against. mk::CudaToolkit looks for it.
MK_CUDA_WHEELS=(nvidia-cuda-nvcc nvidia-nvvm nvidia-nvjitlink nvidia-cuda-nvrtc)
MK_CUDA_VERSION=${MK_CUDA_VERSION:-13.0}
MK_CUDA_DATA=${XDG_DATA_HOME:-${HOME:-}/.local/share}/megakernel

# A line with the time since the start, so that nobody wonders whether it hangs.
mk_step() {
  printf '==> [%3d:%02d] %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$*"
}

# The one clear line: what is wrong, and how to mend it.
mk_fail() {
  printf '%s: error: %s\n' "$MK_SCRIPT" "$*" >&2
  exit 1
}

# Prints those of MK_PACKAGES that are not installed.
mk_missing_packages() {
  local installed
  # dpkg-query fails when it does not know one of the names, which is no error here.
  installed=$(dpkg-query -W -f='${Package} ${db:Status-Abbrev}\n' "${MK_PACKAGES[@]}" 2>/dev/null || true)
  local package
  for package in "${MK_PACKAGES[@]}"; do
    grep -q "^$package ii" <<<"$installed" || echo "$package"
  done
}

# mk_need_space DIR MIB WHAT: fails when DIR's file system has less than MIB free.
mk_need_space() {
  local free
  free=$(df -Pk "$1" | awk 'NR == 2 { print int($4 / 1024) }')
  if [ "$free" -lt "$2" ]; then
    mk_fail "$3 needs $2 MiB, but the file system of $1 has $free MiB free; free some space there and run this again"
  fi
}

# Installs what is missing. Touches neither network nor system when nothing is.
mk_install_packages() {
  if [ "${MK_SKIP_PACKAGES:-0}" = 1 ]; then
    mk_step "packages: not looked at, as MK_SKIP_PACKAGES asks"
    return
  fi

  local system=unknown
  if [ -r /etc/os-release ]; then
    system=$(. /etc/os-release && echo "${PRETTY_NAME:-$ID}")
  fi
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    mk_fail "this system ($system) has no apt; install what these Debian packages hold (${MK_PACKAGES[*]})" \
      "and run again with MK_SKIP_PACKAGES=1"
  fi

  local missing
  mapfile -t missing < <(mk_missing_packages)
  if [ ${#missing[@]} -eq 0 ]; then
    mk_step "packages: all ${#MK_PACKAGES[@]} are installed"
    return
  fi
  mk_step "packages: ${#missing[@]} of ${#MK_PACKAGES[@]} are missing: ${missing[*]}"

  local root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
      mk_fail "installing packages needs root, and there is no sudo; as root, run: apt-get install ${missing[*]}"
    # Without a terminal sudo must not ask for a password.
    root=(sudo)
    [ -t 0 ] || root=(sudo -n)
    "${root[@]}" true || mk_fail "sudo refuses; as root, run: apt-get install ${missing[*]}"
  fi
  mk_need_space /usr 4096 "installing the packages"

  # The scripts of packages must not ask questions, and another apt may be at work.
  local apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120
    -o Acquire::Retries=3 -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30)
  mk_step "packages: refreshing the package lists (apt-get update)"
  # A repository that has nothing to do with us may be broken; what counts is whether the packages can be found.
  local updated=1
  "${apt[@]}" update || updated=0

  local unknown=() package
  for package in "${missing[@]}"; do
    # Not a pipe into grep -q: apt-cache would die of SIGPIPE, which pipefail takes for a missing package.
    [[ $(apt-cache policy "$package") == *'Candidate: '[!\(]* ]] || unknown+=("$package")
  done
  if [ ${#unknown[@]} -gt 0 ]; then
    [ $updated = 1 ] ||
      mk_fail "apt-get update failed (see above); check the network, a proxy, and /etc/apt/sources.list*, and run again"
    mk_fail "this system ($system) offers no package ${unknown[*]}; they are in Debian 12's main and security" \
      "archives: add both suites to /etc/apt/sources.list, or install them otherwise and set MK_SKIP_PACKAGES=1"
  fi

  mk_step "packages: installing (some 300 MiB to download on a bare system)"
  "${apt[@]}" install --no-install-recommends "${missing[@]}" ||
    mk_fail "apt-get could not install the packages (see above); check the network and /etc/apt/sources.list*," \
      "then try: apt-get install ${missing[*]}"
  mapfile -t missing < <(mk_missing_packages)
  [ ${#missing[@]} -eq 0 ] || mk_fail "apt-get installed, but ${missing[*]} is still missing; try: apt-get install -f"
}

# Puts the wheels into a virtual environment of their own, and a link to the toolkit in it where we look for one.
mk_install_cuda() {
  local venv=$MK_CUDA_DATA/cuda-venv toolkit=$MK_CUDA_DATA/cuda
  mkdir -p "$MK_CUDA_DATA" || mk_fail "cannot write to $MK_CUDA_DATA; make it writable, or set XDG_DATA_HOME"
  mk_need_space "$MK_CUDA_DATA" 1024 "the toolkit"
  mk_step "CUDA $MK_CUDA_VERSION: installing ${MK_CUDA_WHEELS[*]} to $venv"
  python3 -m venv "$venv" ||
    mk_fail "python3 cannot make a virtual environment (see above); install the package python3-venv"
  "$venv/bin/pip" --disable-pip-version-check -q install "${MK_CUDA_WHEELS[@]/%/==$MK_CUDA_VERSION.*}" ||
    mk_fail "pip could not install them (see above); check the network, and that PyPI has CUDA $MK_CUDA_VERSION"
  local parts
  parts=$("$venv/bin/python" -c 'import nvidia; print(list(nvidia.__path__)[0])')/cu${MK_CUDA_VERSION%%.*}
  [ -x "$parts/bin/ptxas" ] ||
    mk_fail "the wheels of CUDA $MK_CUDA_VERSION have no bin/ptxas in $parts; take version 13.0 or newer"
  ln -sfn "$parts" "$toolkit"
  mk_step "CUDA $MK_CUDA_VERSION: in $toolkit"
}

# Prints how many compiler processes to run: each takes up to 1 GiB.
mk_jobs() {
  local jobs memory
  jobs=$(nproc)
  memory=$(awk '/^MemAvailable:/ { print int($2 / 1048576) }' /proc/meminfo 2>/dev/null || echo "$jobs")
  [ "$memory" -ge 1 ] || memory=1
  [ "$jobs" -le "$memory" ] || jobs=$memory
  echo "${MK_JOBS:-$jobs}"
}

# mk_build TARGET...: configures and builds (everything when no target is named).
mk_build() {
  local tool
  for tool in cmake ninja clang++-22; do
    command -v $tool >/dev/null ||
      mk_fail "there is no $tool on the PATH; install it, or run without MK_SKIP_PACKAGES on Debian 12"
  done
  mkdir -p "$MK_BUILD" || mk_fail "cannot write to $MK_BUILD; make the folder writable and run this again"
  mk_need_space "$MK_BUILD" 1536 "the build"

  mk_step "configuring build/$MK_PRESET"
  local log=$MK_BUILD/configure.log
  if ! (cd "$MK_ROOT" && cmake --preset "$MK_PRESET") >"$log" 2>&1; then
    cat "$log" >&2
    mk_fail "cmake could not configure build/$MK_PRESET (see above); if the folder was made by another compiler or" \
      "moved here, remove it and run this again"
  fi

  local jobs
  jobs=$(mk_jobs)
  mk_step "building with $jobs jobs; the first time takes some minutes"
  local arguments=()
  [ $# -eq 0 ] || arguments=(--target "$@")
  cmake --build "$MK_BUILD" -j "$jobs" "${arguments[@]}" ||
    mk_fail "the build failed (see above); if it ran out of memory, try again with MK_JOBS=1"
}

# True when an NVIDIA GPU and its driver seem to be there; the programs find out for themselves.
mk_has_gpu() {
  [ -e /dev/nvidiactl ] || [ -e /dev/dxg ]
}
