// The publish page: a camera, the screen or a test picture, by WHIP into this node.
// Tests read `document.body.dataset.state` (idle, connecting, live, failed) and `window.swarmdStats`.

import { UUID, bitrate, byId, copyOnClick, setText } from "/static/dom.js";
import { acquire, fillDevices, release } from "/static/sources.js";
import { CONFIGURATION, Rates, Refused, endSession, offer, reports, whenLost } from "/static/webrtc.js";

const RETRIES_MAX = 6;
const RETRY_MILLISECONDS_MAX = 8000;
const BITS_PER_PIXEL = 0.09;
const BITRATE_MIN = 1_000_000;
const BITRATE_MAX = 16_000_000;
const STATES = {
  idle: ["Not live", ""],
  connecting: ["Connecting…", "warn"],
  live: ["Live", "good"],
  failed: ["Failed", "bad"],
};
const LIMITS = { none: "nothing", bandwidth: "the network", cpu: "this computer", other: "something else" };

/** The one stream of this page: `run` counts starts and stops, so that what is outdated notices it. */
const studio = { run: 0, media: null, connection: null, session: null, producerId: null, retries: 0, rates: new Rates() };

window.swarmdStats = {};

function show(state, trouble = "") {
  document.body.dataset.state = state;
  const [text, tone] = STATES[state];
  setText(byId("state"), text);
  byId("state").dataset.tone = tone;
  setText(byId("trouble"), trouble);
  byId("trouble").hidden = !trouble;
  const busy = state === "connecting" || state === "live";
  for (const control of byId("form").querySelectorAll("select, input")) control.disabled = busy;
  byId("start").disabled = busy;
  byId("stop").disabled = !busy;
  byId("mute").hidden = !busy || !studio.media?.getAudioTracks().length;
  byId("live").hidden = !busy || !studio.producerId;
}

function choices() {
  return {
    source: byId("form").elements.source.value,
    camera: byId("camera").value,
    microphone: byId("microphone").value,
    resolution: byId("resolution").value,
    codec: byId("codec").value,
  };
}

async function start() {
  const wanted = byId("wanted-id").value.trim();
  if (wanted && !UUID.test(wanted)) {
    show("failed", "The producer id has to be a UUID, such as 123e4567-e89b-42d3-a456-426614174000. Leave it empty to get one.");
    byId("wanted-id").focus();
    return;
  }
  const run = ++studio.run;
  studio.producerId = wanted ? wanted.toLowerCase() : null;
  studio.retries = 0;
  show("connecting");
  try {
    const media = await acquire(choices());
    if (run !== studio.run) return release(media);
    useMedia(media);
    show("connecting");
  } catch (error) {
    if (run === studio.run) fail(error);
    return;
  }
  await connect(run);
}

function useMedia(media) {
  studio.media = media;
  byId("preview").srcObject = media;
  byId("cover").hidden = true;
  for (const track of media.getVideoTracks()) track.addEventListener("ended", stop);
  fillDevices(byId("camera"), byId("microphone"), media);
}

async function connect(run) {
  const connection = new RTCPeerConnection(CONFIGURATION);
  studio.connection = connection;
  try {
    addTracks(connection);
    const endpoint = studio.producerId ? `/whip/${studio.producerId}` : "/whip";
    const session = await offer(connection, endpoint);
    if (run !== studio.run) {
      endSession(session);
      return;
    }
    studio.session = session;
    showProducer(session.producerId);
    connection.addEventListener("connectionstatechange", () => {
      if (connection.connectionState === "connected" && run === studio.run) {
        studio.retries = 0;
        show("live");
      }
    });
    whenLost(connection, () => run === studio.run && reconnect(run, new Error("The connection to the node was lost")));
    await keepResolution(connection);
  } catch (error) {
    if (run !== studio.run) return;
    if (studio.retries > 0 && error instanceof Refused && error.temporary) reconnect(run, error);
    else fail(error);
  }
}

function addTracks(connection) {
  const { codec } = choices();
  for (const track of studio.media.getTracks()) {
    const init = { direction: "sendonly", streams: [studio.media] };
    if (track.kind === "video") {
      const { width = 1280, height = 720 } = track.getSettings();
      const bits = Math.min(BITRATE_MAX, Math.max(BITRATE_MIN, width * height * 30 * BITS_PER_PIXEL));
      init.sendEncodings = [{ maxBitrate: Math.round(bits) }];
    }
    const transceiver = connection.addTransceiver(track, init);
    if (track.kind === "video" && codec) preferCodec(transceiver, codec);
  }
}

/** The wanted codec first, the others after it: what cannot be had is then not fatal. */
function preferCodec(transceiver, name) {
  const all = (RTCRtpReceiver.getCapabilities("video") ?? RTCRtpSender.getCapabilities("video")).codecs;
  const wanted = all.filter((codec) => codec.mimeType.toUpperCase() === `VIDEO/${name}`);
  if (wanted.length === 0) throw new Error(`This browser does not know ${name}. Choose another codec.`);
  transceiver.setCodecPreferences([...wanted, ...all.filter((codec) => !wanted.includes(codec))]);
}

/** When bandwidth or CPU are short, frames are dropped rather than pixels: what was asked for is what is seen. */
async function keepResolution(connection) {
  for (const sender of connection.getSenders()) {
    if (sender.track?.kind !== "video") continue;
    const parameters = sender.getParameters();
    parameters.degradationPreference = "maintain-resolution";
    await sender.setParameters(parameters).catch(() => {});
  }
}

/** The same media under the same id again: relays and viewers wait for it. */
function reconnect(run, error) {
  dropConnection();
  if (studio.retries >= RETRIES_MAX) {
    fail(error);
    return;
  }
  const delay = Math.min(RETRY_MILLISECONDS_MAX, 500 * 2 ** studio.retries++);
  show("connecting", `${error.message}. Trying again.`);
  setTimeout(() => run === studio.run && connect(run), delay);
}

function dropConnection() {
  if (studio.session) endSession(studio.session);
  studio.connection?.close();
  studio.session = null;
  studio.connection = null;
}

function letGo() {
  studio.run += 1;
  dropConnection();
  release(studio.media);
  studio.media = null;
  byId("preview").srcObject = null;
  byId("cover").hidden = false;
}

function stop() {
  letGo();
  show("idle");
}

function fail(error) {
  letGo();
  show("failed", error.message);
}

function showProducer(producerId) {
  studio.producerId = producerId ?? studio.producerId;
  setText(byId("producer-id"), studio.producerId ?? "");
  const url = new URL(`/watch/${studio.producerId}`, location.href).href;
  byId("watch").href = url;
  setText(byId("watch"), url);
  byId("live").hidden = false;
}

async function measure() {
  const { connection, rates } = studio;
  if (!connection || connection.connectionState !== "connected") return;
  const { find, codec, pair } = await reports(connection);
  const video = find("outbound-rtp", "video") ?? {};
  const audio = find("outbound-rtp", "audio") ?? {};
  const heard = find("remote-inbound-rtp", "video") ?? {};
  const bits = ((video.bytesSent ?? 0) + (audio.bytesSent ?? 0)) * 8;
  const rtt = heard.roundTripTime ?? pair?.currentRoundTripTime;
  window.swarmdStats = {
    framesEncoded: video.framesEncoded ?? 0,
    frameWidth: video.frameWidth ?? 0,
    frameHeight: video.frameHeight ?? 0,
    framesPerSecond: video.framesPerSecond ?? 0,
    bitrate: Math.round(rates.perSecond("bits", bits, video.timestamp ?? audio.timestamp ?? 0)),
    codec: codec(video),
    packetsLost: heard.packetsLost ?? 0,
    limitedBy: video.qualityLimitationReason ?? "none",
  };
  const stats = window.swarmdStats;
  setText(byId("stat-picture"), stats.frameWidth ? `${stats.frameWidth}×${stats.frameHeight}, ${Math.round(stats.framesPerSecond)} fps` : "–");
  setText(byId("stat-bitrate"), bitrate(stats.bitrate));
  setText(byId("stat-codec"), stats.codec || "–");
  setText(byId("stat-rtt"), Number.isFinite(rtt) ? `${Math.round(rtt * 1000)} ms` : "–");
  setText(byId("stat-lost"), `${stats.packetsLost} packets`);
  setText(byId("stat-limit"), LIMITS[stats.limitedBy] ?? stats.limitedBy);
}

function showSource() {
  const { source } = choices();
  byId("camera-field").hidden = source !== "camera";
  byId("microphone-field").hidden = source === "canvas";
}

function readQuery() {
  const query = new URLSearchParams(location.search);
  const pick = (id, value) => {
    const option = [...byId(id).options].find((candidate) => candidate.value === value);
    if (option) byId(id).value = option.value;
  };
  pick("codec", (query.get("codec") ?? "").toUpperCase());
  pick("resolution", query.get("resolution") ?? "");
  byId("wanted-id").value = query.get("id") ?? "";
  const source = byId("form").querySelector(`input[value="${CSS.escape(query.get("source") ?? "camera")}"]`);
  if (source) source.checked = true;
}

byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  start();
});
byId("stop").addEventListener("click", stop);
byId("mute").addEventListener("click", () => {
  const muted = byId("mute").getAttribute("aria-pressed") !== "true";
  byId("mute").setAttribute("aria-pressed", String(muted));
  setText(byId("mute"), muted ? "Unmute" : "Mute");
  for (const track of studio.media?.getAudioTracks() ?? []) track.enabled = !muted;
});
byId("source").addEventListener("change", showSource);
copyOnClick(byId("copy-id"), () => studio.producerId ?? "");
copyOnClick(byId("copy-link"), () => byId("watch").href);
addEventListener("pagehide", stop);
navigator.mediaDevices?.addEventListener("devicechange", () => fillDevices(byId("camera"), byId("microphone"), studio.media));

readQuery();
showSource();
show("idle");
fillDevices(byId("camera"), byId("microphone"), null);
setInterval(measure, 1000);
