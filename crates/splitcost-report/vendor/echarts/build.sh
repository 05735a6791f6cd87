#!/bin/sh
# Build echarts.min.js, and bring the licence texts along. Needs node and npm; run it only to change the version.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
echarts=6.1.0
esbuild=0.28.2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here/entry.js" "$work/"
cd "$work"
npm init --yes >/dev/null
npm install --no-audit --no-fund "echarts@$echarts" "esbuild@$esbuild"
npx esbuild entry.js --bundle --minify --format=iife --global-name=echarts --target=es2020 --charset=utf8 \
  --legal-comments=none --banner:js="/*! Apache ECharts $echarts, custom build. Apache-2.0; see LICENSE and NOTICE. */" \
  --outfile="$here/echarts.min.js"
cp node_modules/echarts/LICENSE node_modules/echarts/NOTICE "$here/"
cp node_modules/zrender/LICENSE "$here/LICENSE.zrender"
cp node_modules/tslib/LICENSE.txt "$here/LICENSE.tslib"
ls -l "$here"
