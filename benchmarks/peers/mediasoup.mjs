// One mediasoup worker with one router, for benchmarks/peers/mediasoup.py.
//
//   node mediasoup.mjs DIRECTORY   (where npm has installed mediasoup)
//
// Requests and answers are lines of JSON on stdin and stdout; it ends with its stdin.

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const require = createRequire(`${process.argv[2]}/`);
const mediasoup = require('@mafalda-sfu/mediasoup');

const mimeType = 'video/VP8';
const clockRate = 90000;
const payloadType = 96;
const rtcpFeedback = [{ type: 'nack', parameter: 'pli' }, { type: 'ccm', parameter: 'fir' }];
const codec = { kind: 'video', mimeType, clockRate, preferredPayloadType: payloadType, rtcpFeedback };

const worker = await mediasoup.createWorker({ logLevel: 'error' });
const router = await worker.createRouter({ mediaCodecs: [codec] });
let producer = null;

async function transport(fingerprint) {
  const made = await router.createWebRtcTransport({ listenIps: [{ ip: '127.0.0.1' }] });
  await made.connect({ dtlsParameters: { role: 'client', fingerprints: [{ algorithm: 'sha-256', value: fingerprint }] } });
  const { usernameFragment: ufrag, password: pwd } = made.iceParameters;
  const [{ ip, port }] = made.iceCandidates;
  const local = made.dtlsParameters.fingerprints.find(({ algorithm }) => algorithm === 'sha-256').value;
  return [made, { ufrag, pwd, ip, port, fingerprint: local }];
}

const requests = {
  async publish({ fingerprint, ssrc }) {
    const [made, answer] = await transport(fingerprint);
    producer = await made.produce({
      kind: 'video',
      rtpParameters: {
        mid: '0',
        codecs: [{ mimeType, clockRate, payloadType, rtcpFeedback }],
        encodings: [{ ssrc }],
        rtcp: { cname: 'load' },
      },
    });
    return answer;
  },

  // No header extensions: neither server estimates bandwidth.
  async view({ fingerprint }) {
    const [made, answer] = await transport(fingerprint);
    await made.consume({ producerId: producer.id, rtpCapabilities: { codecs: [codec], headerExtensions: [] } });
    return answer;
  },
};

const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

say({ pid: worker.pid, version: mediasoup.version });
worker.on('died', () => process.exit(1));

for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, ...parameters } = JSON.parse(line);
  requests[method](parameters).then(
    (result) => say({ id, result }),
    (error) => say({ id, error: String(error) }),
  );
}
worker.close();
