# The transcoder. Every ffmpeg recipe is proven on bookworm's 5.1; TypeScript runs as it is, so nothing is built.
FROM node:24-bookworm-slim

RUN apt-get update \
 && apt-get install -y --no-install-recommends ffmpeg \
 && rm -rf /var/lib/apt/lists/*

WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=optional --no-audit --no-fund && npm cache clean --force
COPY shared ./shared
COPY transcoder ./transcoder

ENV NODE_ENV=production
USER node
EXPOSE 8080
# node is PID 1 and handles SIGTERM itself: it gives its tasks back before it ends.
CMD ["node", "transcoder/main.ts"]
