// k6/ws: one virtual user a connection, each with an event loop of its own.
import ws from 'k6/ws';

const idle = __ENV.PEER_WORK === 'idle';
const payload = 'x'.repeat(64);

export const options = { vus: Number(__ENV.PEER_CONNECTIONS), duration: '10m' };

export default function () {
  ws.connect(__ENV.PEER_URL, {}, (socket) => {
    socket.setTimeout(() => socket.close(), 3600000);
    if (idle) return;
    socket.on('open', () => socket.send(payload));
    socket.on('message', () => socket.send(payload));
  });
}
