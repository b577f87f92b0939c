// A vendor of licences in workerd tests: takes any challenge, and behaves as a header says.
import {
  LICENSE_TEXT,
  MANNER_HEADER,
  VENDOR_HOST,
  VENDOR_SECRET_TEXT,
  type VendorAsked,
} from './license-vendor-host.ts';

/** Longer than tests let the Worker wait. */
const LATE_MS = 3000;
const KIB = 1024;

const asked: VendorAsked[] = [];

/** Challenges are base64 in what is told. */
export async function askVendor(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname === '/asked') return Response.json(asked);
  const headers = Object.fromEntries(request.headers) as Record<string, string>;
  const body = Buffer.from(await request.arrayBuffer()).toString('base64');
  asked.push({ path: pathname, headers, body });
  return answer(headers[MANNER_HEADER.toLowerCase()] ?? 'license');
}

async function answer(manner: string): Promise<Response> {
  if (manner === 'license') return new Response(LICENSE_TEXT);
  if (manner === 'empty') return new Response(null);
  if (manner === 'full') return new Response('l'.repeat(64 * KIB));
  if (manner === 'lengthy') return new Response('l'.repeat(64 * KIB + 1));
  if (manner === 'hang') {
    await new Promise((resolve) => setTimeout(resolve, LATE_MS));
    return new Response(LICENSE_TEXT);
  }
  const status = Number(manner);
  const isRedirect = status >= 300 && status < 400;
  return new Response(VENDOR_SECRET_TEXT, {
    status,
    headers: isRedirect ? { Location: `${VENDOR_HOST}/elsewhere` } : {},
  });
}
