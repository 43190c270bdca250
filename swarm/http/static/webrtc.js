// WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep) for browsers: one offer, one answer, one session to end.

import { eventsUrl } from "/static/events.js";
import { authorization } from "/static/token.js";

export const CONFIGURATION = { bundlePolicy: "max-bundle", iceServers: [] };

/** An offer that was not accepted. `status` is 0 when the node could not be reached. */
export class Refused extends Error {
  constructor(status, title, detail, retryAfter) {
    super(detail ? `${title}. ${detail}` : title);
    this.status = status;
    this.title = title;
    this.detail = detail;
    this.retryAfter = retryAfter;
  }

  /** Whether the same request may succeed later. */
  get temporary() {
    return this.status === 0 || this.status >= 500 || [408, 409, 425, 429].includes(this.status);
  }

  static async from(response) {
    const problem = await response.json().catch(() => ({}));
    const seconds = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
    const title = problem.title || `The node answered ${response.status}`;
    return new Refused(response.status, title, problem.detail, Number.isNaN(seconds) ? null : seconds);
  }
}

/**
 * Offers what `connection` has to `endpoint` and takes the answer. The offer goes out at once, without candidates:
 * nodes are ICE-lite and learn our address from our checks.
 */
export async function offer(connection, endpoint, signal) {
  await connection.setLocalDescription(await connection.createOffer());
  const response = await post(endpoint, connection.localDescription.sdp, signal);
  if (response.status !== 201) throw await Refused.from(response);
  const location = response.headers.get("Location");
  const session = {
    url: new URL(location ?? "", response.url).href,
    producerId: response.headers.get("Swarm-Producer-Id"),
    events: eventsUrl(response.headers.get("Link"), response.url),
  };
  try {
    await connection.setRemoteDescription({ type: "answer", sdp: await response.text() });
  } catch (error) {
    endSession(session);
    throw error;
  }
  return session;
}

/** Ends a session; it may be the last thing that a page does. */
export function endSession(session) {
  fetch(session.url, { method: "DELETE", headers: authorization(), keepalive: true }).catch(() => {});
}

async function post(endpoint, sdp, signal) {
  try {
    // fetch follows a 307 with the same method and body, but without the token: the URL has a ticket instead.
    // response.url is then the node that serves us.
    return await fetch(endpoint, {
      method: "POST",
      headers: { "Content-Type": "application/sdp", ...authorization() },
      body: sdp,
      credentials: "omit",
      signal,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Refused(0, "The node cannot be reached", "", null);
  }
}

/** Calls `lost` once when the other side is gone; returns nothing to clean up, the connection's end is its end. */
export function whenLost(connection, lost, patience = 3000) {
  let timer = null;
  let told = false;
  const tell = () => {
    if (told || connection.signalingState === "closed") return;
    told = true;
    lost();
  };
  const look = () => {
    clearTimeout(timer);
    const transports = [...connection.getSenders(), ...connection.getReceivers()].map((end) => end.transport);
    const ended = transports.some((transport) => ["closed", "failed"].includes(transport?.state));
    if (ended || connection.connectionState === "failed") tell();
    else if (connection.connectionState === "disconnected") timer = setTimeout(tell, patience);
  };
  connection.addEventListener("connectionstatechange", look);
  for (const end of [...connection.getSenders(), ...connection.getReceivers()]) {
    end.transport?.addEventListener("statechange", look);
  }
}

/** Differences per second of growing counters between two calls. */
export class Rates {
  #before = new Map();

  perSecond(name, value, milliseconds) {
    const before = this.#before.get(name);
    this.#before.set(name, { value, milliseconds });
    if (!before || milliseconds <= before.milliseconds || value < before.value) return 0;
    return ((value - before.value) * 1000) / (milliseconds - before.milliseconds);
  }
}

/** The reports of one type and kind of `getStats`, and a way to follow their references. */
export async function reports(connection) {
  const all = await connection.getStats();
  const find = (type, kind) => [...all.values()].find((entry) => entry.type === type && entry.kind === kind);
  const codec = (report) => (all.get(report?.codecId)?.mimeType ?? "").split("/")[1] ?? "";
  const pair = [...all.values()].find((entry) => entry.type === "candidate-pair" && entry.nominated);
  return { find, codec, pair };
}
