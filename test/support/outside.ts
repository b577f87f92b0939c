// Everything the Worker asks of the network in workerd tests, answered in Node.
import { ENTITLEMENT_HOST } from './entitlement-host.ts';
import { askEntitlementServer } from './entitlement-server.ts';
import { askVendor } from './license-vendor.ts';
import { VENDOR_HOST } from './license-vendor-host.ts';
import { answerStorage } from './s3-stand-in.ts';
import { isForReceiver, receiveWebhook } from './webhook-receiver.ts';

export function answerOutside(request: Request): Promise<Response> {
  const url = new URL(request.url);
  if (isForReceiver(url)) return receiveWebhook(request);
  if (url.origin === VENDOR_HOST) return askVendor(request);
  return url.origin === ENTITLEMENT_HOST ? askEntitlementServer(request) : answerStorage(request);
}
