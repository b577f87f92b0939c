// Conditional requests, RFC 9110 §13, for GET and HEAD of an object with a strong etag.

export type Validators = { etag: string; lastModified: Date };

/** The verdict of the preconditions, in the order of RFC 9110 §13.2.2. */
export function evaluatePreconditions(
  headers: Headers,
  validators: Validators,
): 'proceed' | 'not_modified' | 'failed' {
  const modifiedSeconds = wholeSeconds(validators.lastModified.getTime());

  const ifMatch = headers.get('If-Match');
  const unmodifiedSince = httpDateSeconds(headers.get('If-Unmodified-Since'));
  if (ifMatch !== null) {
    if (!listsEtag(ifMatch, validators.etag, 'strong')) return 'failed';
  } else if (unmodifiedSince !== undefined && modifiedSeconds > unmodifiedSince) {
    return 'failed';
  }

  const ifNoneMatch = headers.get('If-None-Match');
  if (ifNoneMatch !== null) {
    return listsEtag(ifNoneMatch, validators.etag, 'weak') ? 'not_modified' : 'proceed';
  }
  const modifiedSince = httpDateSeconds(headers.get('If-Modified-Since'));
  return modifiedSince !== undefined && modifiedSeconds <= modifiedSince ? 'not_modified' : 'proceed';
}

/** Whether `If-Range` lets the range stand: the object is still the one the client has a part of. */
export function isRangeCurrent(ifRange: string | null, validators: Validators): boolean {
  if (ifRange === null) return true;
  if (ifRange.includes('"')) return ifRange.trim() === validators.etag; // strong comparison: W/ never passes
  return httpDateSeconds(ifRange) === wholeSeconds(validators.lastModified.getTime());
}

function listsEtag(list: string, etag: string, comparison: 'strong' | 'weak'): boolean {
  if (list.trim() === '*') return true;
  const listed = list.match(/(?:W\/)?"[^"]*"/g) ?? [];
  return listed.some((item) => item === etag || (comparison === 'weak' && item === `W/${etag}`));
}

/** Unix seconds of an HTTP date; undefined for anything else, which a recipient must ignore. */
function httpDateSeconds(text: string | null): number | undefined {
  if (text === null || !/^[A-Z][a-z]{2,8},? /.test(text)) return undefined;
  const time = Date.parse(text);
  return Number.isNaN(time) ? undefined : wholeSeconds(time);
}

function wholeSeconds(timeMs: number): number {
  return Math.floor(timeMs / 1000);
}
