# Attune, all roles in one image: `attune serve`, `attune pipeline`, `attune doctor`. Node 24 runs the TypeScript as it is: no build.
# test/production-image.ts does what this file says, without Docker, and starts what comes out.

FROM node:24-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# No install scripts: what is native comes prebuilt with its package.
RUN npm ci --omit=dev --ignore-scripts
# The embedded warehouse is 550 MB of library: an image for a ClickHouse server does without. `--build-arg WAREHOUSE=embedded` keeps it.
ARG WAREHOUSE=server
RUN rm -rf node_modules/@tensorflow/tfjs-node && \
  if [ "$WAREHOUSE" != embedded ]; then rm -rf node_modules/chdb node_modules/@chdb; fi

FROM node:24-bookworm-slim
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY package.json ./
COPY contracts contracts
COPY project project
COPY shared-lmdb shared-lmdb
COPY event-log event-log
COPY feature-store feature-store
COPY warehouse warehouse
COPY models models
COPY decisioning decisioning
COPY pipeline pipeline
COPY channels channels
COPY serving serving
COPY simulator simulator
COPY cli cli
COPY catalog catalog
# The only folder that is written to; the rest of the file system may be read-only.
RUN mkdir /data && chown node:node /data
ENV NODE_ENV=production ATTUNE_DATA_DIR=/data ATTUNE_HOST=0.0.0.0 ATTUNE_PIPELINE_HOST=0.0.0.0 ATTUNE_PIPELINE_PORT=9464
VOLUME /data
USER node
EXPOSE 8080 9464
# Of the API; a pipeline's container sets HEALTH_URL=http://127.0.0.1:9464/healthz.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["node", "-e", "fetch(process.env.HEALTH_URL ?? 'http://127.0.0.1:8080/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# Node handles SIGTERM itself and drains; `init: true` (compose) or `--init` reaps what a crashed child may leave.
ENTRYPOINT ["node", "cli/attune.mjs"]
CMD ["serve"]
