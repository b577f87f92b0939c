// Which keys a player's challenge asks a vendor for. A vendor believes us, so without this the session of one video
// would open every other. What is not understood names no key, and is refused by the caller.

import type { KeySystem } from '../../shared/protection-systems.ts';
import { bytesOfField, protobufFields } from '../../shared/protobuf.ts';
import { playReadyKeyId, WIDEVINE_SYSTEM_ID } from '../../shared/pssh.ts';
import { toHex } from '../../shared/sign.ts';

/** Whether a challenge asks for these keys alone, or for the certificate that comes before any key. */
export function asksOnlyFor(keySystem: KeySystem, challenge: Uint8Array, keyIds: readonly string[]): boolean {
  if (keySystem === 'com.widevine.alpha') return widevineAsksOnlyFor(challenge, keyIds);
  return keySystem === 'com.microsoft.playready' && playReadyAsksOnlyFor(challenge, keyIds);
}

// SignedMessage: 1 type, 2 message. LicenseRequest: 2 content. Its forms: 1 a list of WidevinePsshData (1),
// 4 init data (2), which are boxes. WidevinePsshData: 2 key ids. Other forms (WebM, renewal) name no key.
const LICENSE_REQUEST = 1;
const CERTIFICATE_REQUEST = 4;

function widevineAsksOnlyFor(challenge: Uint8Array, keyIds: readonly string[]): boolean {
  const signed = protobufFields(challenge);
  if (!signed) return false;
  const types = signed.flatMap(({ number, value }) => (number === 1 ? [value] : []));
  const messages = bytesOfField(signed, 2);
  if (types.length !== 1) return false;
  if (types[0] === CERTIFICATE_REQUEST) return messages.length === 0;
  if (types[0] !== LICENSE_REQUEST || messages.length !== 1) return false;
  const contents = bytesOfField(protobufFields(messages[0]!) ?? [], 2);
  const asked = contents.flatMap((content) => {
    const fields = protobufFields(content) ?? [];
    const isKnown = fields.every(({ number }) => number === 1 || number === 4);
    if (!isKnown) return [undefined];
    const data = bytesOfField(fields, 1).flatMap((form) => bytesOfField(protobufFields(form) ?? [], 1));
    const boxes = bytesOfField(fields, 4).flatMap((form) => bytesOfField(protobufFields(form) ?? [], 2));
    return [...data.map(keyIdsOfData), ...boxes.map(keyIdsOfBox)].flat();
  });
  return areAllAllowed(asked, keyIds);
}

function keyIdsOfData(data: Uint8Array): (string | undefined)[] {
  const fields = protobufFields(data);
  // Data may name its content by other numbers (content id, group): those a vendor turns into keys of its own.
  const named = fields ? bytesOfField(fields, 2).map(toHex) : [];
  return named.length > 0 ? named : [undefined];
}

const PSSH_HEADER_BYTES = 32;

/** Of one box of version 0, the form that our manifests have. */
function keyIdsOfBox(box: Uint8Array): (string | undefined)[] {
  const view = new DataView(box.buffer, box.byteOffset, box.byteLength);
  const isWhole =
    box.length > PSSH_HEADER_BYTES && view.getUint32(0) === box.length && view.getUint32(8) === 0;
  const systemId = toHex(box.subarray(12, 28));
  if (!isWhole || systemId !== WIDEVINE_SYSTEM_ID.replaceAll('-', '')) return [undefined];
  return keyIdsOfData(box.subarray(PSSH_HEADER_BYTES));
}

/**
 * A PlayReady challenge is SOAP with the content's header in it. Every element called KID counts, wherever it stands,
 * in both of its forms; comments and the like, which hide text from one reader and not from another, are refused.
 */
function playReadyAsksOnlyFor(challenge: Uint8Array, keyIds: readonly string[]): boolean {
  const text = new TextDecoder().decode(challenge);
  if (!/<(?:\w+:)?AcquireLicense\b/.test(text) || text.includes('<!')) return false;
  const allowed = keyIds.map(playReadyKeyId);
  const asked = [...text.matchAll(/<(?:[\w.-]+:)?KID\b([^>]*)>([^<]*)/gi)].flatMap(
    ([, attributes = '', content = '']) => {
      const value = /\bVALUE\s*=\s*["']([^"']*)["']/i.exec(attributes)?.[1];
      const named = [value, content.trim()].filter((one) => one !== undefined && one !== '');
      return named.length > 0 ? named : [undefined];
    },
  );
  return areAllAllowed(asked, allowed);
}

function areAllAllowed(asked: readonly (string | undefined)[], allowed: readonly string[]): boolean {
  return asked.length > 0 && asked.every((one) => one !== undefined && allowed.includes(one));
}
