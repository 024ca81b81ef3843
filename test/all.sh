#!/bin/sh
# All tests. First those of single parts, which give the coverage: most of their time is waiting (for a broker that restarts,
# a lease that runs out), so there are eight at a time. Then the systems of many processes each, four at a time: more of them only slow
# each other down. Their services run from the bundles, which are not measured. Fails when either failed, or too little is covered.
export NODE_COMPILE_CACHE="$PWD/.tap/compile-cache"
rm -rf .tap/c8

# $1: files that take longest, so that none of them is left to run alone at the end. Then all others below the folders given.
longest_first() {
  first=$(printf '%s\n' $1)
  shift
  echo "$first"
  find "$@" -name '*.test.ts' ! -path '*/node_modules/*' | sort | grep -vxF "$first"
}

parts=$(longest_first "
    notifications-service/test/mailer.test.ts
    test/delivery/payments.test.ts test/delivery/notifications.test.ts test/delivery/orders.test.ts
    packages/messaging/test/delivery.test.ts packages/messaging/test/arrears.test.ts
    packages/messaging/test/retention.test.ts packages/messaging/test/fences.test.ts" \
  bench gateway web packages *-service $(find test -mindepth 1 -maxdepth 1 -type d ! -name system ! -name browser))
NODE_V8_COVERAGE="$PWD/.tap/c8" tap --jobs=8 $parts
parts_status=$?

c8 report >.tap/coverage 2>&1 & # while the systems run: half a minute of work
coverage=$!
tap --jobs=4 $(longest_first "
    test/system/two-systems.test.ts test/system/wall-clock.test.ts test/system/postman.test.ts
    test/browser/views-dark.test.ts test/browser/views-light.test.ts test/system/full-disk.test.ts" \
  test/system test/browser)
systems_status=$?
wait "$coverage"
coverage_status=$?
cat .tap/coverage
exit $((parts_status + systems_status + coverage_status))
