// What can be chosen for a file before it is uploaded, with '' for what the deployment does by default.

export const KINDS = [
  ['', 'Video'],
  ['movie', 'Movie'],
  ['episode', 'Episode'],
] as const;

export const VISIBILITIES = [
  ['', 'Private'],
  ['public', 'Public'],
] as const;

export const PROTECTIONS = [
  ['', 'None'],
  ['aes-128', 'AES-128'],
  ['cenc', 'Common encryption (DRM)'],
] as const;
