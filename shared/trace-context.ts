// W3C Trace Context: the one id that follows an upload from its creation to the published video.
// https://www.w3.org/TR/trace-context/#traceparent-header

export type TraceContext = {
  /** 32 lower-case hex digits. */
  traceId: string;
  /** 16 of them: the step of the trace that this is. */
  spanId: string;
  /** Two hex digits, passed on as they came. */
  flags: string;
};

/** Later versions may have more fields behind these. */
const TRACEPARENT = /^(?:00(?=.{53}$)|(?!00|ff)[\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(?:$|-)/;
const NO_ID = /^0+$/;
/** What begins here is wanted in traces. */
const SAMPLED = '01';

/** What a caller sent; undefined where it is not of that form. */
export function parseTraceparent(header: string | null | undefined): TraceContext | undefined {
  const [, traceId = '', spanId = '', flags = ''] = TRACEPARENT.exec(header ?? '') ?? [];
  if (traceId === '' || NO_ID.test(traceId) || NO_ID.test(spanId)) return undefined;
  return { traceId, spanId, flags };
}

export function traceparentOf({ traceId, spanId, flags }: TraceContext): string {
  return `00-${traceId}-${spanId}-${flags}`;
}

/** A trace that begins with a request; its id is the request's. */
export function traceOfRequest(requestId: string): TraceContext {
  return { traceId: requestId.replaceAll('-', ''), spanId: newSpanId(), flags: SAMPLED };
}

/** The next step of a trace. */
export function childOf(trace: TraceContext): TraceContext {
  return { ...trace, spanId: newSpanId() };
}

function newSpanId(): string {
  return crypto.randomUUID().replaceAll('-', '').slice(16);
}
