// The watch page: a stream by WHEP, from whichever node the swarm chooses, and again when it was interrupted.
// Tests read `document.body.dataset.state` (connecting, playing, waiting, failed) and `window.swarmdStats`.

import { bitrate, byId, copyOnClick, setText } from "/static/dom.js";
import { listen } from "/static/events.js";
import { CONFIGURATION, Rates, Refused, endSession, offer, reports, whenLost } from "/static/webrtc.js";

const RETRY_SECONDS_MIN = 1;
const RETRY_SECONDS_MAX = 10;
const SILENCE_MILLISECONDS = 3000;
const SET_UP_MILLISECONDS = 15_000;
const MOVE_MILLISECONDS = 5000;
const STATES = {
  connecting: ["Connecting…", "warn"],
  playing: ["Playing", "good"],
  waiting: ["Waiting", "warn"],
  failed: ["Failed", "bad"],
};
const REASONS = { 0: "The node cannot be reached", 409: "The stream is not live", 503: "No node has room for you now" };

const producerId = decodeURIComponent(location.pathname.split("/").pop());
const video = byId("video");

/** The one session of this page: `run` counts attempts, so that what is outdated notices it. */
const viewer = { run: 0, connection: null, session: null, timer: null, retries: 0, abort: null, rates: null, heard: null };

window.swarmdStats = {};

function show(state, title = "", text = "") {
  document.body.dataset.state = state;
  const [label, tone] = STATES[state];
  setText(byId("state"), label);
  byId("state").dataset.tone = tone;
  byId("cover").hidden = state === "playing";
  byId("spinner").hidden = state === "failed";
  byId("again").hidden = !title;
  setText(byId("cover-title"), title || label);
  setText(byId("cover-text"), text);
}

async function connect() {
  drop();
  const run = ++viewer.run;
  show("connecting");
  const connection = new RTCPeerConnection(CONFIGURATION);
  const abort = new AbortController();
  Object.assign(viewer, { connection, abort, rates: new Rates(), heard: null });
  const outdated = () => run !== viewer.run;
  const media = new MediaStream();
  connection.addEventListener("track", ({ track }) => {
    media.addTrack(track);
    video.srcObject = media;
  });
  connection.addTransceiver("video", { direction: "recvonly" });
  connection.addTransceiver("audio", { direction: "recvonly" });
  viewer.timer = setTimeout(() => outdated() || again("No media arrives", null), SET_UP_MILLISECONDS);
  try {
    const session = await offer(connection, `/whep/${producerId}`, abort.signal);
    if (outdated()) {
      endSession(session);
      return;
    }
    begun(session, connection, run);
  } catch (error) {
    if (!outdated()) refused(error);
  }
}

function begun(session, connection, run) {
  const outdated = () => run !== viewer.run;
  viewer.session = session;
  setText(byId("served-by"), new URL(session.url).host);
  whenLost(connection, () => outdated() || again("The stream was interrupted", null));
  listen(session, (url) => outdated() || move(url), viewer.abort.signal);
}

/** Goes on where the node says, because it is about to leave: the new picture is there before the old one goes. */
async function move(url) {
  if (viewer.moving) return;
  const run = viewer.run;
  const connection = new RTCPeerConnection(CONFIGURATION);
  const abort = new AbortController();
  const media = new MediaStream();
  viewer.moving = true;
  connection.addEventListener("track", ({ track }) => media.addTrack(track));
  connection.addTransceiver("video", { direction: "recvonly" });
  connection.addTransceiver("audio", { direction: "recvonly" });
  try {
    const session = await offer(connection, url ?? `/whep/${producerId}`, AbortSignal.any([abort.signal, viewer.abort.signal]));
    const shown = await shows(media);
    if (run !== viewer.run || !shown) {
      endSession(session);
      connection.close();
      return;
    }
    const former = { ...viewer };
    Object.assign(viewer, { run: run + 1, connection, abort, rates: new Rates(), heard: null });
    video.srcObject = media;
    begun(session, connection, viewer.run);
    former.abort.abort();
    endSession(former.session);
    former.connection.close();
  } catch {
    connection.close(); // It stays where it is for as long as that lasts, and then tries anew.
  } finally {
    viewer.moving = false;
  }
}

/** Whether pictures, or sound without any, come within a few seconds. */
async function shows(media) {
  const screen = document.createElement("video");
  Object.assign(screen, { muted: true, playsInline: true, srcObject: media });
  const started = new Promise((resolve) => screen.addEventListener("loadeddata", () => resolve(true), { once: true }));
  const late = new Promise((resolve) => setTimeout(() => resolve(false), MOVE_MILLISECONDS));
  screen.play().catch(() => {});
  const shown = await Promise.race([started, late]);
  screen.srcObject = null;
  return shown;
}

function refused(error) {
  if (error instanceof Refused && error.temporary) {
    again(REASONS[error.status] ?? error.title, error.retryAfter);
  } else {
    drop();
    show("failed", "This stream cannot be shown", error.detail || error.message);
  }
}

/** Waits, longer each time, and tries again. */
function again(why, retryAfter) {
  drop();
  const run = ++viewer.run;
  const base = Math.max(RETRY_SECONDS_MIN, retryAfter ?? 0);
  const seconds = Math.min(Math.max(RETRY_SECONDS_MAX, base), base * 1.5 ** viewer.retries++) * (1 + Math.random() / 4);
  show("waiting", why, `It starts here by itself; next try in ${Math.ceil(seconds)} s.`);
  viewer.timer = setTimeout(() => run === viewer.run && connect(), seconds * 1000);
}

function drop() {
  clearTimeout(viewer.timer);
  viewer.abort?.abort();
  if (viewer.session) endSession(viewer.session);
  viewer.connection?.close();
  Object.assign(viewer, { session: null, connection: null, abort: null, timer: null });
  setText(byId("served-by"), "–");
  setText(byId("stats"), "");
}

function leave() {
  viewer.run += 1;
  drop();
}

async function measure() {
  const { connection, rates, run } = viewer;
  if (!connection || connection.connectionState !== "connected") return;
  const { find, codec, pair } = await reports(connection);
  if (run !== viewer.run) return;
  const picture = find("inbound-rtp", "video") ?? {};
  const sound = find("inbound-rtp", "audio") ?? {};
  const bytes = (picture.bytesReceived ?? 0) + (sound.bytesReceived ?? 0);
  const stats = {
    framesDecoded: picture.framesDecoded ?? 0,
    frameWidth: picture.frameWidth ?? 0,
    frameHeight: picture.frameHeight ?? 0,
    framesPerSecond: picture.framesPerSecond ?? 0,
    freezeCount: picture.freezeCount ?? 0,
    packetsLost: (picture.packetsLost ?? 0) + (sound.packetsLost ?? 0),
    bitrate: Math.round(rates.perSecond("bits", bytes * 8, performance.now())),
    codec: codec(picture),
    audioLevel: sound.audioLevel ?? 0,
  };
  window.swarmdStats = stats;
  follow(bytes, stats.framesDecoded > 0 || (!picture.bytesReceived && bytes > 0));
  const parts = [];
  if (stats.frameWidth) parts.push(`${stats.frameWidth}×${stats.frameHeight}`, `${Math.round(stats.framesPerSecond)} fps`);
  if (stats.codec) parts.push(stats.codec);
  parts.push(bitrate(stats.bitrate), `${stats.packetsLost} lost`, `${stats.freezeCount} freezes`);
  if (Number.isFinite(pair?.currentRoundTripTime)) parts.push(`${Math.round(pair.currentRoundTripTime * 1000)} ms`);
  setText(byId("stats"), parts.join(" · "));
}

/** Playing while packets come; a silent stream is waited for on the same session, as the nodes do. */
function follow(bytes, shown) {
  const now = performance.now();
  if (!viewer.heard || bytes > viewer.heard.bytes) viewer.heard = { bytes, now };
  const silent = now - viewer.heard.now > SILENCE_MILLISECONDS;
  if (shown && !silent) {
    clearTimeout(viewer.timer);
    viewer.retries = 0;
    if (document.body.dataset.state !== "playing") show("playing");
  } else if (silent && document.body.dataset.state === "playing") {
    show("waiting", "The stream pauses", "It goes on here by itself.");
  }
}

function toggleMute() {
  video.muted = !video.muted;
  setText(byId("mute"), video.muted ? "Unmute" : "Mute");
  byId("mute").classList.toggle("primary", video.muted);
  if (!video.muted) video.play().catch(() => {});
}

function toggleFullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else if (byId("screen").requestFullscreen) byId("screen").requestFullscreen().catch(() => {});
  else video.webkitEnterFullscreen?.();
}

byId("mute").addEventListener("click", toggleMute);
byId("full").addEventListener("click", toggleFullScreen);
byId("again").addEventListener("click", () => connect());
video.addEventListener("dblclick", toggleFullScreen);
video.addEventListener("playing", measure);
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "m") toggleMute();
  if (event.key === "f") toggleFullScreen();
});
copyOnClick(byId("copy-link"), () => location.href);
addEventListener("pagehide", leave);
addEventListener("pageshow", (event) => event.persisted && connect());
addEventListener("online", () => document.body.dataset.state === "waiting" && !viewer.connection && connect());

setText(byId("producer-id"), producerId);
document.title = `${producerId.slice(0, 8)} · swarmd`;
setInterval(measure, 1000);
// A video that still waits for its first frame would hold back the page's own load event.
if (document.readyState === "complete") connect();
else addEventListener("load", () => connect(), { once: true });
