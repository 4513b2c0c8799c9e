# What the scripts beside this one have in common. They source it, and say in `folder` where their server keeps
# its packages, its logs and what is noted of it.

fail() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

# What was noted in the folder, or nothing.
noted() { cat "$folder/$1" 2>/dev/null || true; }

# Whether this process runs and is this program. One that has ended counts as such also when nobody
# has asked for its status, and one that has the number of an earlier one is not it.
runs() {
  [ -n "${1:-}" ] && kill -0 "$1" 2>/dev/null || return 1
  [ -d "/proc/$1" ] || return 0
  ! grep -qs '^State:.Z' "/proc/$1/status" && tr '\0' ' ' <"/proc/$1/cmdline" | grep -q -- "$2"
}

# Waits for two minutes: the machine may be busy.
until_true() {
  local _
  for _ in $(seq 1200); do
    if "$@"; then return 0; fi
    sleep 0.1
  done
  return 1
}

free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 10000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  echo "$port"
}

# Packages of Debian's.
install_packages() {
  local as_root=()
  if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null || fail "missing, and no root to install it: apt-get install $*"
    as_root=(sudo -n)
  fi
  {
    "${as_root[@]}" apt-get update
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
  } >"$folder/apt.log" 2>&1 </dev/null || fail "$* could not be installed: $folder/apt.log"
}

# Where PostgreSQL's programs are, or nothing. Debian has them outside of the path.
database_programs() {
  local found
  found=$(find /usr/lib/postgresql -path '*/bin/initdb' 2>/dev/null | sort -V | tail -n 1)
  [ -n "$found" ] || found=$(command -v initdb || true)
  [ -z "$found" ] || dirname "$found"
}

# PostgreSQL refuses to run as root.
as_database_user() {
  if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}
