"""A server that the suite starts, kills, and starts again on the same data and address."""

import os
import signal
import socket
import subprocess
import time
import urllib.parse

from suite import ENDPOINT, holds


class Server:
    def __init__(self):
        self.command = os.environ["KINESIS_SERVER_COMMAND"].split("\n")
        self.log = open(os.environ["KINESIS_SERVER_LOG"], "ab")
        self.process = None

    def start(self):
        holds(self.process is None, "it runs already")
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        at = urllib.parse.urlsplit(ENDPOINT)
        end = time.monotonic() + 60
        while True:
            try:
                socket.create_connection((at.hostname, at.port), timeout=1).close()
                return
            except OSError:
                code = self.process.poll()
                holds(code is None, f"the server ended with {code}; see its log")
                holds(time.monotonic() < end, "the server does not listen")
                time.sleep(0.01)

    def kill(self):
        """SIGKILL: nothing is said good-bye to."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process = None

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            code = self.process.wait(timeout=60)
            self.process = None
            holds(code == 0, f"the server stopped with {code}")

    def restart(self):
        self.kill()
        self.start()
