// The token that the live page asks with. It comes after # in the address that burgeon printed, which the browser sends nowhere;
// from there it goes into the tab's own memory, so that neither the address bar nor a copied link has it and a reload keeps it.

const key = 'burgeon-token';

/** Where the browser gives pages no memory. */
let here = '';

/** Takes the token out of the address, if it is there. @returns the newest one; empty without any. */
export function takeToken(): string {
  const given = new URLSearchParams(location.hash.slice(1));
  const token = given.get('token');
  if (token !== null) {
    keepToken(token);
    given.delete('token');
    history.replaceState(null, '', `${location.pathname}${given.size > 0 ? `#${given}` : ''}`);
  }
  try {
    return sessionStorage.getItem(key) ?? here;
  } catch {
    return here;
  }
}

export function keepToken(token: string): void {
  here = token;
  try {
    sessionStorage.setItem(key, token);
  } catch {
    // It is asked for again after a reload.
  }
}
