/** Variables the Worker gets in workerd tests. None of these secrets exists anywhere else. */
export const TEST_BINDINGS = {
  JWT_SECRET: 'test-jwt-secret-0123456789-0123456789',
  SIGNING_KEYS: 'k1:test-signing-secret-0123456789-012345',
  KEYS_KEK: 'k1:dGVzdC1rZXktZW5jcnlwdGlvbi1rZXktMDEyMzQ1Njc',
  TRANSCODER_SECRET: 'test-transcoder-secret-0123456789-0123',
  METRICS_TOKEN: 'test-metrics-token-0123456789-0123456789',
  // Whoever waits for all that a request leaves to be done would wait for that too.
  METRICS_FLUSH_SECONDS: '0',
  R2_S3_ENDPOINT: 'http://127.0.0.1:8787/cdn-cgi/local/r2/s3',
  R2_ACCESS_KEY_ID: 'test-access-key',
  R2_SECRET_ACCESS_KEY: 'test-secret-key',
  // No test waits for one to lapse, and a slow machine lets none lapse.
  LEASE_SECONDS: '60',
  HEARTBEAT_SECONDS: '1',
  RATE_LIMITS: 'off',
};
