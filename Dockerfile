# The transcoder. Every ffmpeg recipe is proven on bookworm's 5.1; TypeScript runs as it is, so nothing is built.
FROM node:24-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

FROM node:24-bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ffmpeg \
 && rm -rf /var/lib/apt/lists/* \
 && install -d -o node -g node /scratch
WORKDIR /app
COPY package.json ./
COPY --from=dependencies /app/node_modules ./node_modules
COPY shared ./shared
COPY transcoder ./transcoder

# All that is written is below /scratch; the root may be read-only. The health port is asked from outside the container; everything else the transcoder serves is loopback only. With
# the argument `ingest` the image takes in large forms instead (docs/legacy.md), at the ingest port.
ENV NODE_ENV=production \
    HEALTH_HOST=0.0.0.0 \
    HEALTH_PORT=8080 \
    INGEST_HOST=0.0.0.0 \
    INGEST_PORT=8081 \
    SCRATCH_DIR=/scratch
USER node
EXPOSE 8080 8081
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s \
  CMD ["node", "-e", "const { HEALTH_PORT, INGEST_PORT } = process.env; Promise.any([HEALTH_PORT, INGEST_PORT].map((port) => fetch('http://127.0.0.1:' + port + '/healthz'))).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# node is PID 1 and handles SIGTERM itself: it gives its tasks back before it ends.
ENTRYPOINT ["node", "transcoder/main.ts"]
