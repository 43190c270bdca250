// A moving test picture with a running frame counter, and a quiet tone: a source for machines without a camera.

const FRAMES_PER_SECOND = 30;
const BARS = ["#b8b8b8", "#b8b000", "#00b0b8", "#00b000", "#b800b0", "#b80000", "#0000b8"];

/** A stream of `width` x `height` at 30 frames per second; stopping its tracks stops the drawing. */
export function testPicture(width, height, withSound) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d", { alpha: false });
  const ticker = new Worker("/static/ticker.js");
  let frame = 0;
  const step = () => draw(context, frame++);
  step();
  const stream = canvas.captureStream(FRAMES_PER_SECOND);
  const [video] = stream.getVideoTracks();
  ticker.onmessage = () => (video.readyState === "live" ? step() : ticker.terminate());
  ticker.postMessage(FRAMES_PER_SECOND);
  if (withSound) stream.addTrack(tone(video));
  return stream;
}

function draw(context, frame) {
  const { width, height } = context.canvas;
  const bar = width / BARS.length;
  BARS.forEach((color, index) => {
    context.fillStyle = color;
    context.fillRect(index * bar, 0, bar + 1, height * 0.62);
  });
  context.fillStyle = "#101418";
  context.fillRect(0, height * 0.62, width, height);
  const size = height / 8;
  context.fillStyle = "#ffffff";
  context.fillRect(((frame * width) / 120) % width, height * 0.9, size, height * 0.1);
  context.textBaseline = "middle";
  context.textAlign = "center";
  context.font = `700 ${size * 1.2}px ui-monospace, "DejaVu Sans Mono", monospace`;
  context.fillText(String(frame).padStart(6, "0"), width / 2, height * 0.71);
  context.font = `500 ${size * 0.42}px ui-monospace, "DejaVu Sans Mono", monospace`;
  context.fillText(`${new Date().toISOString().slice(11, 23)} UTC   ${width}×${height}`, width / 2, height * 0.83);
}

/** A 440 Hz tone that swells once a second, as long as `video` lives. */
function tone(video) {
  const audio = new AudioContext();
  const oscillator = new OscillatorNode(audio, { frequency: 440 });
  const swell = new OscillatorNode(audio, { frequency: 1 });
  const depth = new GainNode(audio, { gain: 0.04 });
  const level = new GainNode(audio, { gain: 0.05 });
  const out = new MediaStreamAudioDestinationNode(audio);
  swell.connect(depth).connect(level.gain);
  oscillator.connect(level).connect(out);
  oscillator.start();
  swell.start();
  const [track] = out.stream.getAudioTracks();
  const stop = track.stop.bind(track);
  track.stop = () => {
    stop();
    audio.close().catch(() => {});
  };
  video.addEventListener("ended", () => track.stop());
  return track;
}
