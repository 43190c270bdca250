// What the pages share: elements, formats, the API. Text only ever gets into a page as text, never as markup.

import { authorization } from "/static/token.js";

export const byId = (id) => document.getElementById(id);

export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** An element with properties (or `data-`/`aria-` attributes) and children. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made && !name.includes("-")) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** Sets text only when it differs, so that screen readers and selections are left in peace. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function bitrate(bitsPerSecond) {
  if (!Number.isFinite(bitsPerSecond)) return "–";
  if (bitsPerSecond >= 1e6) return `${(bitsPerSecond / 1e6).toFixed(1)} Mbit/s`;
  return `${Math.round(bitsPerSecond / 1e3)} kbit/s`;
}

export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = units.findIndex(([, size]) => whole >= size);
  if (first < 0) return "0 s";
  const parts = units.slice(first, first + 2).map(([unit, size], index) => {
    const rest = index === 0 ? whole : whole % units[first][1];
    return [Math.floor(rest / size), unit];
  });
  return parts.filter(([count], index) => index === 0 || count > 0).map((part) => part.join(" ")).join(" ");
}

export const shortId = (id) => (id.length > 12 ? `${id.slice(0, 8)}…` : id);

export const count = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`;

/** Copies text and says so on the button for a moment. */
export function copyOnClick(button, text) {
  button.addEventListener("click", async () => {
    const label = button.textContent;
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = "Copied";
    } catch {
      button.textContent = "Copy by hand";
    }
    button.disabled = true;
    setTimeout(() => {
      button.textContent = label;
      button.disabled = false;
    }, 1500);
  });
}

/** The JSON of one API path; throws an `Error` whose message may be shown. */
export async function api(path) {
  const response = await fetch(`/api/v1/${path}`, { headers: authorization(), signal: AbortSignal.timeout(10_000) });
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.detail || body.title || `The node answered ${response.status}`);
  return body;
}
