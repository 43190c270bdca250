// A clock in a worker: unlike timers of a page, it keeps its pace while the tab is in the background.

let timer = null;

onmessage = ({ data: framesPerSecond }) => {
  clearInterval(timer);
  if (framesPerSecond > 0) timer = setInterval(() => postMessage(0), 1000 / framesPerSecond);
};
