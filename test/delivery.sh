#!/bin/sh
# What depends on the version of nats-server: the delivery suites, then the systems, four at a time. Fails when either failed.
tap packages/messaging/test/*.test.ts packages/service/test/dead-letters.test.ts test/delivery/*.test.ts test/deploy/nats-permissions.test.ts
suites=$?
tap --jobs=4 test/system/*.test.ts && exit $suites
