// Server-sent events of a WHEP session (draft-ietf-wish-whep): where its node wants the viewer to go on.
// Read by fetch, because an EventSource cannot show a token.

import { authorization } from "/static/token.js";

const REL = "urn:ietf:params:whep:ext:core:server-sent-events";
const LISTEN_AGAIN_MILLISECONDS = 5000;
const EVENT_CHARS_MAX = 16_384;

/** The URL of the events that the `Link` header of an answer announces; null without one. */
export function eventsUrl(link, base) {
  for (const [, target, parameters] of (link ?? "").matchAll(/<([^<>]*)>((?:\s*;\s*[\w*-]+\s*=\s*(?:"[^"]*"|[^\s",;]+))*)/g)) {
    if (parameters.includes(REL)) return new URL(target, base).href;
  }
  return null;
}

/** Calls `moved` with a WHEP URL, or null for the present one, each time that the node asks for it; until `signal`. */
export async function listen(session, moved, signal) {
  if (!session.events) return;
  while (!signal.aborted) {
    try {
      for await (const { name, data } of stream(session.events, signal)) {
        if (name === "reconnect") moved(JSON.parse(data).url ?? null);
      }
    } catch {
      // A node without room for listeners, or one that has gone: the session's media tells which.
    }
    await new Promise((resolve) => setTimeout(resolve, LISTEN_AGAIN_MILLISECONDS));
  }
}

async function* stream(events, signal) {
  const created = await fetch(events, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...authorization() },
    body: '["reconnect"]',
    credentials: "omit",
    signal,
  });
  if (created.status !== 201) return;
  const location = new URL(created.headers.get("Location"), created.url);
  const response = await fetch(location, { headers: authorization(), credentials: "omit", signal });
  if (!response.ok) return;
  let text = "";
  for await (const part of chunks(response.body.pipeThrough(new TextDecoderStream()))) {
    const events = (text + part).split("\n\n");
    text = events.pop().slice(-EVENT_CHARS_MAX);
    yield* events.map(parsed);
  }
}

/** A stream's chunks: not every browser lets one iterate over it. */
async function* chunks(readable) {
  const reader = readable.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
}

function parsed(event) {
  const fields = new Map(event.split("\n").map((line) => [line.split(":", 1)[0], line.slice(line.indexOf(":") + 1).trim()]));
  return { name: fields.get("event") ?? "message", data: fields.get("data") ?? "" };
}
