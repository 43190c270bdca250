// What can be published: cameras, microphones, the screen, the test picture. Every error has a text for people.

import { testPicture } from "/static/testpicture.js";

const LINES_MAX = 2160;
// Encoders in software keep 30 frames per second up to here; text on a screen needs its own pixels more than frames.
const LINES = { camera: 1080, screen: LINES_MAX, canvas: 720 };

const EXPLANATIONS = {
  NotAllowedError: "The browser was not allowed to use it. Allow camera, microphone or screen for this page and start again.",
  NotFoundError: "There is no such camera or microphone. Choose another one, or the test picture.",
  NotReadableError: "The camera or microphone is in use by another program. Close that and start again.",
  OverconstrainedError: "The device cannot do that. Choose another device or picture size.",
};

/**
 * A `MediaStream` of the chosen source. `resolution` is a number of lines, "max", or "" for what suits the source; it is
 * sent as it is captured.
 */
export async function acquire({ source, camera, microphone, resolution }) {
  const lines = resolution === "max" ? LINES_MAX : Number(resolution) || LINES[source];
  if (source === "canvas") return testPicture(Math.round((lines * 16) / 18) * 2, lines, true);
  if (!navigator.mediaDevices) {
    throw new Error("Browsers lend cameras and screens only to https:// pages and to localhost. Open this page so, or choose the test picture.");
  }
  try {
    return source === "screen" ? await screen(microphone, lines) : await devices(camera, microphone, lines);
  } catch (error) {
    throw new Error(EXPLANATIONS[error.name] ?? error.message, { cause: error });
  }
}

export function release(media) {
  for (const track of media?.getTracks() ?? []) track.stop();
}

const size = (lines) => ({
  width: { ideal: Math.round((lines * 16) / 9) },
  height: { ideal: lines },
  frameRate: { ideal: 30 },
});

const device = (id) => (id ? { deviceId: { exact: id } } : {});

const sound = (microphone) => (microphone === "none" ? false : { ...device(microphone) });

function devices(camera, microphone, lines) {
  return navigator.mediaDevices.getUserMedia({ video: { ...size(lines), ...device(camera) }, audio: sound(microphone) });
}

/** The screen with its own sound where the browser has that, else with the microphone. */
async function screen(microphone, lines) {
  const media = await navigator.mediaDevices.getDisplayMedia({ video: size(lines), audio: true });
  for (const track of media.getVideoTracks()) track.contentHint = "detail";
  if (media.getAudioTracks().length === 0 && microphone !== "none") {
    const voice = await navigator.mediaDevices.getUserMedia({ audio: sound(microphone) }).catch(() => null);
    for (const track of voice?.getAudioTracks() ?? []) media.addTrack(track);
  }
  return media;
}

/** Fills the two lists; names are only known once the user has allowed a device. */
export async function fillDevices(cameras, microphones, media) {
  const known = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
  fill(cameras, known.filter((entry) => entry.kind === "videoinput"), media?.getVideoTracks()[0]);
  fill(microphones, known.filter((entry) => entry.kind === "audioinput"), media?.getAudioTracks()[0]);
}

function fill(list, entries, track) {
  const chosen = list.value;
  const fixed = [...list.options].filter((option) => ["", "none"].includes(option.value));
  const named = entries.filter((entry) => entry.deviceId && entry.label && entry.deviceId !== "default");
  const options = named.map((entry) => new Option(entry.label, entry.deviceId));
  list.replaceChildren(...fixed, ...options);
  const used = track?.getSettings().deviceId;
  const wanted = [chosen, used].find((value) => value && [...list.options].some((option) => option.value === value));
  list.value = wanted ?? "";
}
