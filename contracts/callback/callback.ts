/** Where others ask us to call them: which addresses may be called, and which never. */
import ipaddr from 'ipaddr.js';

/**
 * False of loopback, private, link-local, carrier-grade NAT, multicast, reserved and translated addresses: only what is plainly unicast on the
 * internet is public.
 * @param address of IPv4 or IPv6, without brackets
 */
export const isPublicAddress = (address: string): boolean => ipaddr.isValid(address) && ipaddr.process(address).range() === 'unicast';

/** Null, or why this URL is not called. A name passes here: what it leads to is looked at when it is called. */
export const faultOfCallback = (text: string, allowPrivate: boolean): string | null => {
  if (!URL.canParse(text)) return 'must be a URL';
  const { protocol, hostname, username, password } = new URL(text);
  if (protocol !== 'http:' && protocol !== 'https:') return 'must be a URL of http or https';
  if (username !== '' || password !== '') return 'must not hold a user or password';
  if (allowPrivate) return null;
  const host = hostname.replace(/^\[|\]$/g, '');
  const isLocal = /(^|\.)localhost\.?$/i.test(host) || (ipaddr.isValid(host) && !isPublicAddress(host));
  return isLocal ? 'leads to a private address; `callbacks.allowPrivate` in channels.yaml allows that' : null;
};
