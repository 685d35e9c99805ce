"""A camera on this machine that closes, resets, stalls and sends broken pictures: MJPEG over HTTP."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import cv2
import numpy as np


def picture(number: int, width: int = 160, height: int = 96) -> bytes:
    """A JPEG of somebody who walks slowly to and fro."""
    image = np.full((height, width, 3), 60, np.uint8)
    left = 40 + abs(number // 10 % 60 - 30)
    cv2.rectangle(image, (left, 20), (left + 24, 80), (0, 0, 255), -1)
    return bytes(cv2.imencode(".jpg", image)[1])


Picture = Callable[[int, int, int], bytes]  # number, width and height -> JPEG


class Server:
    """An MJPEG camera over HTTP.

    Args:
        mode: what happens behind `length` pictures: `close`, `reset`, `stall`, or from there on `garbage`; `corrupt`:
            three pictures are broken, then it goes on and closes; `away`: it closes and nobody answers for two seconds,
            and for ever behind the next ones; `gone`: for ever at once; `resize`: the second connection has larger
            pictures; `silent`: it never says anything; `endless`.
        picture: what it shows; the number counts steps of the clock.
        step: seconds between pictures.
        length: pictures of a connection until it does what its mode says.

    Attributes:
        connections: so far.
        address: with user and password.
    """

    def __init__(self, mode: str, picture: Picture = picture, step: float = 0.04, length: int = 30) -> None:
        self.mode = mode
        self._picture, self._step, self._length = picture, step, length
        self.connections = 0
        self._socket = self._listen(0)
        self._port = self._socket.getsockname()[1]
        self.address = f"http://admin:S3cret@127.0.0.1:{self._port}/cam/video.cgi?user=admin&password=S3cret"
        self._closed = False
        self._started = time.monotonic()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Answer nobody any more."""
        self._closed = True
        self._socket.close()

    def _listen(self, port: int) -> socket.socket:
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        listening.listen(5)
        return listening

    def _accept(self) -> None:
        while not self._closed:
            try:
                accepted, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(accepted, self.connections), daemon=True).start()
            if self.mode in ("away", "gone"):
                self._socket.close()
                if self.mode == "gone" or self.connections == 2:
                    return
                time.sleep(self._length * self._step + 2)
                self._socket = self._listen(self._port)

    def _serve(self, to: socket.socket, connection: int) -> None:
        with suppress(OSError), to:
            to.recv(4096)
            if self.mode == "silent":
                time.sleep(60)
            to.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=F\r\n\r\n")
            for number in range(1, 100_000):
                if self._closed:
                    return
                # who walks does so by the clock, whether or not somebody looks
                at = round((time.monotonic() - self._started) / self._step)
                size = (320, 192) if self.mode == "resize" and connection > 1 else (160, 96)
                data = self._picture(at, *size)
                past = number > self._length
                if (self.mode == "corrupt" and 10 <= number < 13) or (self.mode == "garbage" and past):
                    data = data[:100] + bytes(200)
                to.sendall(
                    b"--F\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data) + data + b"\r\n"
                )
                time.sleep(self._step)
                if past and self.mode == "stall":
                    time.sleep(60)
                if past and self.mode == "reset":
                    to.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                if past and self.mode not in ("garbage", "endless"):
                    return
