# shellcheck shell=sh
# Sourced by the scripts that make an environment of their own.

# Prints a Python that is 3.11 or newer; says what is missing otherwise.
find_python() {
  for name in python3 python3.13 python3.12 python3.11 python; do
    if "$name" -I -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$name"
      return 0
    fi
  done
  echo "error: Python 3.11 or newer with the module venv is needed" >&2
  echo "  fix: install it (Debian: apt-get install python3 python3-venv) and run this again" >&2
  return 1
}
