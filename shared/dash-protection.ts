// What an MPD says of Common Encryption (ISO/IEC 23009-1 §5.8.4.1, DASH-IF IOP part 6 §8): the scheme with its key
// id, and ClearKey with where its licence is. Served to a viewer, it names the systems of the deployment instead.
import { LICENSE_REFERENCE, type PlannedProtection, uuidOf } from './protection.ts';
import { type KeySystem, licenseUrlOf, type OfferedSystem, widevineData } from './protection-systems.ts';
import { PLAYREADY_SYSTEM_ID, playReadyObject, playReadyPssh, toBase64, WIDEVINE_SYSTEM_ID } from './pssh.ts';
import { element, emptyElement, escaped } from './xml.ts';

/** DASH-IF's name for ClearKey. https://dashif.org/identifiers/content_protection/ */
const CLEAR_KEY = 'urn:uuid:e2719d58-a985-b3c9-781a-b030af78d30e';

const CENC_NAMESPACE = { 'xmlns:cenc': 'urn:mpeg:cenc:2013' };
const PLAYREADY_NAMESPACE = { 'xmlns:mspr': 'urn:microsoft:playready' };

/** Attributes of the MPD element that the lines below need. */
export function protectionNamespaces(protection: PlannedProtection | undefined): Record<string, string> {
  if (protection?.scheme !== 'cenc') return {};
  return { ...CENC_NAMESPACE, 'xmlns:dashif': 'https://dashif.org/CPS' };
}

/** Children of each adaptation set whose media is encrypted. */
export function contentProtection(protection: PlannedProtection | undefined): string[] {
  if (protection?.scheme !== 'cenc') return [];
  const common = {
    schemeIdUri: 'urn:mpeg:dash:mp4protection:2011',
    value: 'cenc',
    'cenc:default_KID': uuidOf(protection.keyId),
  };
  return [`      ${emptyElement('ContentProtection', common)}`, ...clearKeyLines(LICENSE_REFERENCE)];
}

/** What a token's manifests say of licences. */
export type LicenseOffer = {
  systems: readonly OfferedSystem[];
  /** `https://…/p/{token}/` */
  root: string;
  contentId: string;
};

/**
 * The MPD with the systems that are offered, each with the URL of its licence in full: players ask for it as it
 * stands, as if it were relative to their own page. One without protection stays as it is.
 */
export function withLicenses(manifest: string, { systems, root, contentId }: LicenseOffer): string {
  const stored = `${clearKeyLines(LICENSE_REFERENCE).join('\n')}\n`;
  const keyId = /cenc:default_KID="([0-9a-f-]{36})"/.exec(manifest)?.[1]?.replaceAll('-', '');
  if (keyId === undefined || !manifest.includes(stored)) return manifest;
  const lines = systems.flatMap(({ keySystem, provider }) =>
    LINES[keySystem](licenseUrlOf(root, keySystem), { keyId, contentId, provider }),
  );
  const named = manifest.replaceAll(stored, () => lines.map((line) => `${line}\n`).join(''));
  const hasPlayReady = systems.some(({ keySystem }) => keySystem === 'com.microsoft.playready');
  if (!hasPlayReady) return named;
  const cenc = attributesOf(CENC_NAMESPACE);
  return named.replace(cenc, () => cenc + attributesOf(PLAYREADY_NAMESPACE));
}

type Content = { keyId: string; contentId: string; provider: string | undefined };

const LINES: Record<KeySystem, (licenseUrl: string, content: Content) => string[]> = {
  'org.w3.clearkey': clearKeyLines,
  'com.widevine.alpha': (licenseUrl, { provider, ...content }) =>
    protectionLines({ schemeIdUri: `urn:uuid:${WIDEVINE_SYSTEM_ID}`, value: 'Widevine' }, [
      `<cenc:pssh>${widevineData(content, provider)}</cenc:pssh>`,
      `<dashif:Laurl>${escaped(licenseUrl)}</dashif:Laurl>`,
    ]),
  'com.microsoft.playready': (licenseUrl, { keyId }) =>
    protectionLines({ schemeIdUri: `urn:uuid:${PLAYREADY_SYSTEM_ID}`, value: 'MSPR 2.0' }, [
      `<cenc:pssh>${toBase64(playReadyPssh(keyId))}</cenc:pssh>`,
      `<mspr:pro>${toBase64(playReadyObject(keyId))}</mspr:pro>`,
      `<dashif:Laurl>${escaped(licenseUrl)}</dashif:Laurl>`,
    ]),
};

function clearKeyLines(licenseUrl: string): string[] {
  return protectionLines({ schemeIdUri: CLEAR_KEY, value: 'ClearKey1.0' }, [
    `<dashif:Laurl Lic_type="EME-1.0">${escaped(licenseUrl)}</dashif:Laurl>`,
  ]);
}

function protectionLines(attributes: Record<string, string>, children: string[]): string[] {
  return [
    `      ${element('ContentProtection', attributes)}`,
    ...children.map((child) => `        ${child}`),
    '      </ContentProtection>',
  ];
}

function attributesOf(attributes: Record<string, string>): string {
  return element('', attributes).slice(1, -1);
}
