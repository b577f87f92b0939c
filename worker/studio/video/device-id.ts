// This browser, for limits of devices and for licences that are bound to one.
const KEY = 'reelay.device';

export function deviceId(): string {
  const known = localStorage.getItem(KEY);
  if (known) return known;
  const made = `studio-${crypto.getRandomValues(new Uint32Array(2)).join('-')}`;
  localStorage.setItem(KEY, made);
  return made;
}
