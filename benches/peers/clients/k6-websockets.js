// k6/websockets (k6/experimental/websockets before that): every connection in one virtual user, on its one event loop.
import { WebSocket } from '$module';

const idle = __ENV.PEER_WORK === 'idle';
const payload = 'x'.repeat(64);

export const options = { vus: 1, duration: '10m' };

export default function () {
  for (let i = 0; i < Number(__ENV.PEER_CONNECTIONS); i += 1) {
    const socket = new WebSocket(__ENV.PEER_URL);
    if (idle) continue;
    socket.addEventListener('open', () => socket.send(payload));
    socket.addEventListener('message', () => socket.send(payload));
  }
}
