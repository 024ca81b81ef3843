#!/bin/sh
# All tests. First those of single parts, which give the coverage; then the systems of many processes each, four at a time:
# more of them only slow each other down. Their services run from the bundles, which are not measured. Fails when either
# failed.
tap $(find . -name '*.test.ts' ! -path '*/node_modules/*' ! -path './test/system/*' ! -path './test/browser/*' | sort)
parts=$?
env -u NODE_V8_COVERAGE tap --jobs=4 test/system/*.test.ts test/browser/*.test.ts && exit $parts
