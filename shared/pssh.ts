// What Widevine and PlayReady read to ask for a licence: boxes of ISO/IEC 23001-7 §8.1 for manifests. They name keys
// and hold none.
import { protobuf } from './protobuf.ts';
import { fromHex } from './sign.ts';

export const WIDEVINE_SYSTEM_ID = 'edef8ba9-79d6-4ace-a3c8-27dcd51d21ed';
export const PLAYREADY_SYSTEM_ID = '9a04f079-9840-4286-ab92-e65be0885f95';

/** `cenc` as a number, the way Widevine names the scheme. */
const CENC_FOURCC = 0x63656e63;

export type WidevineContent = {
  keyIds: readonly string[];
  provider?: string | undefined;
  contentId?: string;
};

/** The box with a `WidevinePsshData` message: key ids, whose content it is, and the scheme. */
export function widevinePssh({ keyIds, provider, contentId }: WidevineContent): Uint8Array<ArrayBuffer> {
  const data = protobuf([
    ...keyIds.map((keyId) => ({ number: 2, value: fromHex(keyId) })),
    ...(provider === undefined ? [] : [{ number: 3, value: provider }]),
    ...(contentId === undefined ? [] : [{ number: 4, value: contentId }]),
    { number: 9, value: CENC_FOURCC },
  ]);
  return psshBox(WIDEVINE_SYSTEM_ID, data);
}

export function playReadyPssh(keyId: string): Uint8Array<ArrayBuffer> {
  return psshBox(PLAYREADY_SYSTEM_ID, playReadyObject(keyId));
}

const RIGHTS_MANAGEMENT_HEADER = 1;

/**
 * A PlayReady Object with its one record, a header of version 4.0, which every client since 2008 reads. The header's
 * checksum may be left out, and is: it takes the key.
 * https://learn.microsoft.com/playready/specifications/playready-header-specification
 */
export function playReadyObject(keyId: string): Uint8Array<ArrayBuffer> {
  const header = utf16(playReadyHeader(keyId));
  const bytes = new Uint8Array(10 + header.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, 1, true);
  view.setUint16(6, RIGHTS_MANAGEMENT_HEADER, true);
  view.setUint16(8, header.length, true);
  bytes.set(header, 10);
  return bytes;
}

/** A key id as PlayReady has it: the bytes of a GUID, whose first three numbers are little-endian, in base64. */
export function playReadyKeyId(keyId: string): string {
  const bytes = fromHex(keyId);
  const order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
  return toBase64(Uint8Array.from(order, (place) => bytes[place]!));
}

export function toBase64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
}

function playReadyHeader(keyId: string): string {
  return [
    '<WRMHEADER xmlns="http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader" version="4.0.0.0"><DATA>',
    '<PROTECTINFO><KEYLEN>16</KEYLEN><ALGID>AESCTR</ALGID></PROTECTINFO>',
    `<KID>${playReadyKeyId(keyId)}</KID></DATA></WRMHEADER>`,
  ].join('');
}

function utf16(text: string): Uint8Array {
  const view = new DataView(new ArrayBuffer(text.length * 2));
  for (let place = 0; place < text.length; place++) view.setUint16(place * 2, text.charCodeAt(place), true);
  return new Uint8Array(view.buffer);
}

/** Version 0: the key ids are in the system's own data. */
function psshBox(systemId: string, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(32 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length);
  view.setUint32(4, 0x70737368); // pssh
  bytes.set(fromHex(systemId.replaceAll('-', '')), 12);
  view.setUint32(28, data.length);
  bytes.set(data, 32);
  return bytes;
}
