"""The simulator, and a forwarder to it from hosts in other namespaces."""

import ctypes
import json
import os
import socket
import threading
import urllib.parse
import urllib.request

ID = "wxmixedhosts00001"
SECRET = "0123456789abcdef0123456789abcdef"


def control(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    url = os.environ["WXSIM_CONTROL"] + path
    with urllib.request.urlopen(urllib.request.Request(url, data)) as answer:
        return json.load(answer)


class Forwarder:
    """Listens on a host's loopback address, and forwards to the simulator on the loopback of this process."""

    PORT = 8080
    URL = f"http://127.0.0.1:{PORT}"

    def __init__(self, host):
        self.listener = None
        # A thread can enter a namespace. A socket stays in the one in which it was made.
        maker = threading.Thread(target=self.listen, args=(host.namespace,))
        maker.start()
        maker.join()
        threading.Thread(target=self.accept, daemon=True).start()

    def listen(self, namespace):
        with open(namespace) as file:
            if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), 0):
                raise OSError(ctypes.get_errno(), "setns")
        self.listener = socket.create_server(("127.0.0.1", self.PORT))

    def accept(self):
        to = urllib.parse.urlsplit(os.environ["WXSIM_HTTP"])
        while True:
            caller, _ = self.listener.accept()
            simulator = socket.create_connection((to.hostname, to.port))
            for pair in ((caller, simulator), (simulator, caller)):
                threading.Thread(target=pump, args=pair, daemon=True).start()


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass
