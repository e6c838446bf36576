"""One WebSocket a user: echoes in a closed loop, or nothing at all. Times are reported as locust asks."""

import os
import time

import gevent
import websocket
from locust import User, task

URL = os.environ["PEER_URL"]
IDLE = os.environ["PEER_WORK"] == "idle"
PAYLOAD = "x" * 64


class Client(User):
    def on_start(self):
        self.socket = websocket.create_connection(URL)

    @task
    def work(self):
        if IDLE:
            gevent.sleep(3600)
        began = time.perf_counter()
        self.socket.send(PAYLOAD)
        reply = self.socket.recv()
        self.environment.events.request.fire(
            request_type="WS",
            name="echo",
            response_time=(time.perf_counter() - began) * 1000,
            response_length=len(reply),
            exception=None,
        )
