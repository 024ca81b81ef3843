# The one recipe for all services, built from the repository's root:
#
#   docker build --build-arg SERVICE=orders-service -t orders-service .
#
# SERVICE is a folder: orders-service, payments-service, notifications-service, gateway or web.

FROM node:24-bookworm-slim AS manifests
ARG SERVICE
WORKDIR /app
# All that npm ci looks at, and nothing else: what it installs stays cached until a dependency changes.
COPY package.json package-lock.json ./
COPY packages/audit/package.json packages/audit/
COPY packages/contracts/package.json packages/contracts/
COPY packages/http/package.json packages/http/
COPY packages/kernel/package.json packages/kernel/
COPY packages/messaging/package.json packages/messaging/
COPY packages/processes/package.json packages/processes/
COPY packages/service/package.json packages/service/
COPY packages/store/package.json packages/store/
COPY packages/testkit/package.json packages/testkit/
COPY orders-service/package.json orders-service/
COPY payments-service/package.json payments-service/
COPY notifications-service/package.json notifications-service/
COPY gateway/package.json gateway/
COPY web/package.json web/
RUN test -f "$SERVICE/package.json" || { echo "--build-arg SERVICE= must name a service's folder" >&2; exit 1; }

# What stays beside the bundle (`external` in scripts/bundle.ts).
FROM manifests AS dependencies
COPY deploy/docker/slim.ts /slim.mts
RUN --mount=type=cache,target=/root/.npm \
    npm ci --workspace "$SERVICE" --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error \
    && node /slim.mts better-sqlite3 @fastify/swagger-ui

# The service in one file; for web the built UI as well.
FROM manifests AS built
RUN --mount=type=cache,target=/root/.npm \
    npm ci --workspace "$SERVICE" --ignore-scripts --no-audit --no-fund --loglevel=error
COPY tsconfig.json ./
COPY packages packages
COPY scripts/bundle.ts scripts/
COPY $SERVICE $SERVICE
RUN node scripts/bundle.ts "$SERVICE" \
    && mkdir -p "/built/$SERVICE" && mv "$SERVICE/build" "/built/$SERVICE/" \
    && if [ "$SERVICE" = web ]; then npm run build --silent && mv web/dist /built/web/; fi

FROM node:24-bookworm-slim
ARG SERVICE
ENV SERVICE=$SERVICE \
    NODE_ENV=production \
    # Without it V8 lets the young generation grow to 128 MiB on a machine with much memory, which buys nothing here.
    NODE_OPTIONS=--max-semi-space-size=8 \
    # On the container's own network, which decides who reaches it. HOST is the gateway's, SERVICES_HOST everything else's.
    HOST=0.0.0.0 \
    SERVICES_HOST=0.0.0.0 \
    DATA_DIR=/data \
    # An index that a migration makes of a large table is sorted in a temporary file: /tmp is memory, or small.
    SQLITE_TMPDIR=/data
# A new named volume takes its owner from here.
RUN install -d -o node -g node /data
WORKDIR /app
COPY --from=dependencies /app ./
COPY --from=built /built ./
COPY deploy/docker/ready.sh ./
# By number, so that Kubernetes can tell that it is not root.
USER 1000:1000
HEALTHCHECK --interval=2s --timeout=3s --start-period=60s --retries=3 CMD ["bash", "/app/ready.sh"]
# exec: node itself gets the signals. The shell is there only for the variable.
CMD ["sh", "-c", "exec node \"$SERVICE/build/server.js\""]
