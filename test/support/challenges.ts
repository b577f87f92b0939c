// What players' key systems send for a licence, made by hand: their makers give them to nobody without a device.
// Widevine: license_protocol.proto. PlayReady: SOAP of the header specification.
import { protobuf } from '../../shared/protobuf.ts';
import { playReadyKeyId, widevinePssh } from '../../shared/pssh.ts';

const PSSH_HEADER_BYTES = 32;

export type Challenge = Uint8Array<ArrayBuffer>;

/** A SignedMessage around a LicenseRequest whose content is what is given. */
export function widevineRequest(...contents: Uint8Array[]): Challenge {
  const client = { number: 1, value: 'whoever the player is' };
  const request = protobuf([client, ...contents.map((value) => ({ number: 2, value }))]);
  const signature = { number: 3, value: 'signed' };
  return plain(protobuf([{ number: 1, value: 1 }, { number: 2, value: request }, signature]));
}

/** The usual content: the data of one or more boxes. */
export function widevineContent(...keyIds: string[][]): Uint8Array {
  const data = keyIds.map((ids) => widevinePssh({ keyIds: ids }).subarray(PSSH_HEADER_BYTES));
  const form = protobuf([...data.map((value) => ({ number: 1, value })), { number: 2, value: 1 }]);
  return protobuf([{ number: 1, value: form }]);
}

/** The newer content: a whole box. */
export function widevineInitData(box: Uint8Array): Uint8Array {
  const form = protobuf([
    { number: 1, value: 1 },
    { number: 2, value: box },
  ]);
  return protobuf([{ number: 4, value: form }]);
}

export function widevineChallenge(keyId: string): Challenge {
  return widevineRequest(widevineContent([keyId]));
}

/** Asks for the service's certificate, before any key. */
export const WIDEVINE_CERTIFICATE_REQUEST: Challenge = plain(protobuf([{ number: 1, value: 4 }]));

/** @param kid the element of the content's header that names the key; the form of version 4.0 if only the key is given */
export function playReadyChallenge(keyId: string, kid = `<KID>${playReadyKeyId(keyId)}</KID>`): Challenge {
  const header = `<WRMHEADER xmlns="http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader" version="4.0.0.0"><DATA>${kid}</DATA></WRMHEADER>`;
  const text = [
    '<?xml version="1.0" encoding="utf-8"?>',
    '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>',
    '<AcquireLicense xmlns="http://schemas.microsoft.com/DRM/2007/03/protocols"><challenge><Challenge>',
    `<LA><Version>1</Version><ContentHeader>${header}</ContentHeader></LA>`,
    '</Challenge></challenge></AcquireLicense></soap:Body></soap:Envelope>',
  ].join('');
  return plain(new TextEncoder().encode(text));
}

export function boxOf(keyId: string): Uint8Array {
  return widevinePssh({ keyIds: [keyId] });
}

function plain(bytes: Uint8Array): Challenge {
  return new Uint8Array(bytes);
}
