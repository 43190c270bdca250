// The access token of this tab: what came as `#token=…`, which no browser sends anywhere, until the tab is closed.

const KEY = "swarmd-token";
const fragment = new URLSearchParams(location.hash.slice(1));

if (fragment.has("token")) {
  sessionStorage.setItem(KEY, fragment.get("token"));
  history.replaceState(null, "", location.pathname + location.search);
}

/** The header that shows the token; none without one. */
export function authorization() {
  const token = sessionStorage.getItem(KEY);
  return token ? { Authorization: `Bearer ${token}` } : {};
}
