// Where workerd tests find the entitlement service, and what it tells of what it was asked.
export const ENTITLEMENT_HOST = 'http://entitlement.test';

export type Asked = { headers: Record<string, string>; body: string };
