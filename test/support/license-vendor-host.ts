// Where workerd tests find a vendor of licences, and what it tells of what it was asked.
export const VENDOR_HOST = 'https://licenses.example.com';

/** A header of ours that says how it is to behave, and what it answers to whoever may know. */
export const MANNER_HEADER = 'X-Manner';
export const LICENSE_TEXT = 'a licence';
export const VENDOR_SECRET_TEXT = 'what a vendor tells its customers alone';

export type VendorAsked = { path: string; headers: Record<string, string>; body: string };
