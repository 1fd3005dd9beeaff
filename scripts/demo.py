"""Runs the built programs as one demonstration; scripts/demo installs and builds first."""

import argparse
import ctypes
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request

import demo_camera

ROOT = pathlib.Path(__file__).resolve().parent.parent
API = "/apis/devices.kubeedge.io/v1beta1"
# What --once writes, and where the plant keeps it (examples/plant/plant.yaml): a float in two
# holding registers of the boiler's unit.
DEVICE, PROPERTY = "boiler", "setpoint"


class DemoError(Exception):
    """Something the user can mend; the text says how."""


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description="Runs Mosquitto, devicetwin, modbus-mapper with a simulated Modbus TCP plant and "
        "gige-mapper with Aravis' fake camera in the foreground, and shows the twins as they change. "
        "Ctrl-C ends everything.",
        epilog="Port 0 takes any free port. Logs are in DIR/logs.",
    )
    parser.add_argument("--once", action="store_true",
                        help="unattended: wait for values, write one desired value, print what was "
                        "seen and when, stop; exit status 0 or 1")
    parser.add_argument("--dir", default="run", help="folder for data, certificates, sockets and logs "
                        "(default: run)")
    parser.add_argument("--mqtt-port", type=int, default=1883, help="Mosquitto's port (default: 1883)")
    parser.add_argument("--plant-port", type=int, default=1502, help="the plant's port (default: 1502)")
    parser.add_argument("--kube-port", type=int, default=6550,
                        help="devicetwin's HTTPS port (default: 6550)")
    parser.add_argument("--http-port", type=int, default=8090,
                        help="port of the camera's live picture (default: 8090)")
    parser.add_argument("--no-camera", action="store_true",
                        help="without the camera, whose UDP port 3956 on 127.0.0.1 cannot be another")
    parser.add_argument("--screenshot", metavar="FILE", type=pathlib.Path,
                        help="with --once: the live picture's page as headless Chromium shows it, PNG")
    parser.add_argument("--build", default=str(ROOT / "build"), help=argparse.SUPPRESS)
    return parser.parse_args()


def take_port(port, flag):
    """The port, or a free one for 0; a clear error when it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise DemoError(f"port {port} on 127.0.0.1 is taken ({error.strerror}): stop what uses it, "
                            f"or choose another with {flag} PORT") from error
        return probe.getsockname()[1]


class Plane:
    """The processes, and the ways to talk to them."""

    def __init__(self, arguments):
        self.once = arguments.once
        self.started = time.monotonic()
        self.dir = pathlib.Path(arguments.dir).resolve()
        self.build = pathlib.Path(arguments.build)
        # The longest socket path below DIR is DIR/modbus.sock.lock; Linux ends them at 107 bytes.
        if len(str(self.dir)) > 85:
            raise DemoError(f"--dir {self.dir} is longer than 85 characters, too long for sockets in it")
        self.mqtt_port = take_port(arguments.mqtt_port, "--mqtt-port")
        self.plant_port = take_port(arguments.plant_port, "--plant-port")
        self.kube_port = take_port(arguments.kube_port, "--kube-port")
        self.camera = None if arguments.no_camera else "127.0.0.1"
        if self.camera:
            demo_camera.check_free(self.camera, DemoError)
            self.http_port = take_port(arguments.http_port, "--http-port")
            self.pictures = f"http://127.0.0.1:{self.http_port}"
        self.logs = self.dir / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.kubeconfig = self.dir / "kubeconfig"
        self.processes = []

    def say(self, text):
        print(f"{time.monotonic() - self.started:7.3f} s  {text}", flush=True)

    def spawn(self, name, *command):
        libc = ctypes.CDLL(None)
        log = open(self.logs / f"{name}.log", "wb")
        # A session of its own, so that Ctrl-C reaches only this script, which stops them in order;
        # and SIGTERM from the kernel (prctl's PR_SET_PDEATHSIG, 1) should this script be killed.
        process = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log,
                                   stdin=subprocess.DEVNULL, start_new_session=True,
                                   preexec_fn=lambda: libc.prctl(1, signal.SIGTERM))
        self.processes.append((name, process))
        self.say(f"started {name} (pid {process.pid})")

    def check(self):
        for name, process in self.processes:
            if process.poll() is not None:
                tail = (self.logs / f"{name}.log").read_text(errors="replace").splitlines()[-5:]
                raise DemoError(f"{name} ended with status {process.returncode}:\n  "
                                + "\n  ".join(tail) + f"\n(the whole log: {self.logs / name}.log)")

    def wait(self, what, condition, seconds=20):
        end = time.monotonic() + seconds
        while True:
            self.check()
            try:
                found = condition()
                if found:
                    return found
            except OSError:
                pass  # not listening yet
            if time.monotonic() > end:
                raise DemoError(f"{what}: not within {seconds} s; logs are in {self.logs}")
            time.sleep(0.01)

    def listening(self, port):
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True

    def start(self):
        mosquitto = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin")
        config = self.dir / "mosquitto.conf"
        config.write_text(f"listener {self.mqtt_port} 127.0.0.1\nallow_anonymous true\n"
                          "set_tcp_nodelay true\n"
                          "persistence false\n")
        self.spawn("mosquitto", mosquitto, "-c", config)
        self.wait("Mosquitto", lambda: self.listening(self.mqtt_port))
        self.spawn("modbus-plant", self.build / "mappers/modbus/modbus-plant",
                   "--listen", f"127.0.0.1:{self.plant_port}")
        self.wait("the plant", lambda: self.listening(self.plant_port))
        self.spawn("devicetwin", self.build / "devicetwin/devicetwin", "--dir", self.dir,
                   "--mqtt", f"tcp://127.0.0.1:{self.mqtt_port}", "--kube-port", self.kube_port)
        self.wait("devicetwin", lambda: self.kubeconfig.exists() and self.connect())
        self.spawn("modbus-mapper", self.build / "mappers/modbus/modbus-mapper",
                   "--edgecore-sock", self.dir / "dmi.sock", "--socket", self.dir / "modbus.sock")
        if self.camera:
            demo_camera.start(self, self.build, self.camera, self.http_port)

    def connect(self):
        context = ssl.create_default_context(cafile=self.dir / "ca.crt")
        self.opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))
        self.token = (self.dir / "token").read_text().strip()
        return self.request("GET", "/readyz", raw=True) == "ok"

    def request(self, method, path, body=None, content_type="application/json", raw=False):
        request = urllib.request.Request(
            f"https://127.0.0.1:{self.kube_port}{path}", method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": content_type})
        with self.opener.open(request, timeout=10) as answer:
            text = answer.read().decode()
            return text.strip() if raw else json.loads(text)

    def apply(self):
        for name in ["plant"] + (["camera"] if self.camera else []):
            yaml = (ROOT / f"examples/plant/{name}.yaml").read_text()
            file = self.dir / f"{name}.yaml"
            file.write_text(yaml.replace("port: 1502", f"port: {self.plant_port}"))
            kubectl = subprocess.run(["kubectl", "--kubeconfig", self.kubeconfig, "apply", "-f", file],
                                     capture_output=True, text=True, check=False)
            if kubectl.returncode != 0:
                raise DemoError(f"kubectl apply -f {file}: {kubectl.stderr.strip()}")
            for line in kubectl.stdout.splitlines():
                self.say(line)

    def statuses(self):
        return self.request("GET", f"{API}/devicestatuses")["items"]

    def twin(self, device, name):
        status = self.request("GET", f"{API}/namespaces/default/devicestatuses/{device}")["status"]
        found = [twin for twin in status.get("twins", []) if twin["propertyName"] == name]
        outcome = status.get("extensions", {}).get("properties", {}).get(name, {})
        return (found[0] if found else {}), outcome

    def stop(self):
        for name, process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
        for name, process in reversed(self.processes):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                self.say(f"{name} did not end within 10 s, killed")
                process.kill()
                process.wait()
        if self.processes:
            self.say("stopped everything")


def read_float(port, unit, address):
    """Two holding registers as a float, over Modbus TCP, so that nothing of ours is believed."""
    with socket.create_connection(("127.0.0.1", port), timeout=2) as link:
        link.sendall(struct.pack(">HHHBBHH", 1, 0, 6, unit, 3, address, 2))
        answer = b""
        while len(answer) < 13:
            answer += link.recv(13 - len(answer))
        return struct.unpack(">f", answer[9:13])[0]


def property_place(plane):
    """Unit and address of DEVICE's PROPERTY, its place in the list, and its reported value."""
    device = plane.request("GET", f"{API}/namespaces/default/devices/{DEVICE}")["spec"]
    index = [entry["name"] for entry in device["properties"]].index(PROPERTY)
    visitor = device["properties"][index]["visitors"]["configData"]
    return device["protocol"]["configData"]["slaveID"], visitor["offset"], index


def once(plane):
    """Writes one desired value and follows it to the register, the status and MQTT."""
    devices = plane.request("GET", f"{API}/devices")["items"]
    properties = sum(len(device["spec"]["properties"]) for device in devices)

    def all_reported():
        twins = [twin for status in plane.statuses() for twin in status["status"].get("twins", [])]
        valued = [twin for twin in twins if twin.get("reported", {}).get("value", "") != ""]
        return len(valued) == properties and valued

    twins = plane.wait("values of every property", all_reported)
    plane.say(f"{len(twins)} properties of {len(devices)} devices have values, e.g. "
              + ", ".join(f"{twin['propertyName']}={twin['reported']['value']}" for twin in twins[:3]))
    topic = f"$hw/events/device/default/{DEVICE}/twin/update/document"
    heard = plane.logs / "mosquitto_sub.log"
    # Line by line: into a file its output would wait for a full buffer.
    plane.spawn("mosquitto_sub", "stdbuf", "-oL", "mosquitto_sub", "-d", "-p", plane.mqtt_port, "-t", topic, "-v")
    plane.wait("the MQTT subscription", lambda: "SUBACK" in heard.read_text())

    unit, address, index = property_place(plane)
    wanted = 61.5 if read_float(plane.plant_port, unit, address) != 61.5 else 63.25
    sent = time.monotonic()
    since = lambda: f"{(time.monotonic() - sent) * 1000:.1f} ms"
    plane.request("PATCH", f"{API}/namespaces/default/devices/{DEVICE}",
                  [{"op": "add", "path": f"/spec/properties/{index}/desired",
                    "value": {"value": str(wanted)}}], "application/json-patch+json")
    plane.say(f"PATCH {DEVICE}.{PROPERTY} desired {wanted}: accepted after {since()}")
    plane.wait("the register", lambda: read_float(plane.plant_port, unit, address) == wanted)
    plane.say(f"unit {unit} holding register {address} holds {wanted} after {since()}")
    plane.wait("the status", lambda: plane.twin(DEVICE, PROPERTY)[1].get("state") == "applied")
    plane.say(f"the DeviceStatus says applied after {since()}")
    plane.wait("the reported value", lambda: plane.twin(DEVICE, PROPERTY)[0]
               .get("reported", {}).get("value") == f"{wanted}")
    plane.say(f"the DeviceStatus reports {wanted} after {since()}")
    plane.wait("the MQTT document", lambda: f'"{wanted}"' in heard.read_text())
    plane.say(f"MQTT heard {topic} after {since()}")
    if plane.camera:
        demo_camera.once(plane, plane.pictures)


def hints(plane):
    port = "" if plane.mqtt_port == 1883 else f" -p {plane.mqtt_port}"
    kubectl = f"kubectl --kubeconfig {os.path.relpath(plane.kubeconfig)}"
    index = property_place(plane)[2]
    patch = json.dumps([{"op": "replace", "path": f"/spec/properties/{index}/desired/value",
                         "value": "70"}])
    expected = json.dumps({"twin": {PROPERTY: {"expected": {"value": "55"}}}})
    pictures = [f"the camera's live picture: {plane.pictures}/"] if plane.camera else []
    return pictures + [
        "try in another terminal (in this folder):",
        f"  {kubectl} get devices,devicemodels,devicestatuses -A",
        f"  {kubectl} get devicestatus {DEVICE} -o yaml",
        f"  {kubectl} patch device {DEVICE} --type=json -p '{patch}'",
        f"  mosquitto_sub{port} -t '$hw/events/device/+/+/twin/update/document' -v",
        f"  mosquitto_pub{port} -t '$hw/events/device/default/{DEVICE}/twin/update' -m '{expected}'",
        f"  mbpoll -B -m tcp -p {plane.plant_port} -a 1 -t 3:float -r 1 -c 2 -1 127.0.0.1",
        "Ctrl-C ends everything.",
    ]


def rows(statuses, now):
    for status in statuses:
        outcomes = status["status"].get("extensions", {}).get("properties", {})
        state = status["status"].get("state", "")
        for twin in status["status"].get("twins", []):
            name = twin["propertyName"]
            reported = twin.get("reported", {})
            metadata = reported.get("metadata", {})
            outcome = outcomes.get(name, {})
            age = f"{max(0, now - int(metadata['timestamp']) / 1000):.1f} s ago" \
                if metadata.get("timestamp", "").isdigit() else ""
            note = outcome.get("reason") or metadata.get("reason") or ""
            yield (status["metadata"]["name"], state, name, reported.get("value", ""),
                   outcome.get("desired", ""), outcome.get("state", ""), age, note)


def table(plane):
    head = ("DEVICE", "STATE", "PROPERTY", "REPORTED", "DESIRED", "PROGRESS", "CHANGED", "NOTE")
    lines = [head] + list(rows(plane.statuses(), time.time()))
    widths = [max(len(str(line[i])) for line in lines) for i in range(len(head))]
    return ["  ".join(str(cell).ljust(width) for cell, width in zip(line, widths)).rstrip()
            for line in lines]


def live(plane):
    """The table, drawn anew twice a second; plain lines every 10 s where there is no terminal."""
    if not sys.stdout.isatty():
        print("\n".join(hints(plane)), flush=True)
        while True:
            print("\n".join(table(plane)), flush=True)
            for _ in range(100):
                plane.check()
                time.sleep(0.1)
    text = hints(plane)
    while True:
        plane.check()
        size = shutil.get_terminal_size()
        drawn = table(plane)
        room = size.lines - len(text) - 2
        if len(drawn) > room:
            drawn = drawn[:max(room - 1, 1)] + [f"… {len(drawn) - room + 1} more"]
        screen = [line[:size.columns - 1] for line in drawn + [""]] + text
        sys.stdout.write("\x1b[H" + "".join(f"{line}\x1b[K\n" for line in screen) + "\x1b[J")
        sys.stdout.flush()
        time.sleep(0.5)


def main():
    arguments = parse_arguments()
    # SIGTERM ends like Ctrl-C, and both work where a shell started this in the background: nothing
    # may be left running.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    plane = None
    try:
        plane = Plane(arguments)
        plane.start()
        plane.apply()
        if arguments.once:
            once(plane)
            if arguments.screenshot and plane.camera:
                failed = demo_camera.screenshot(plane, plane.pictures, arguments.screenshot.resolve())
                if failed:
                    raise DemoError(f"no screenshot: {failed}")
            plane.say("ok")
        else:
            plane.wait("the first values", plane.statuses)
            if sys.stdout.isatty():
                sys.stdout.write("\x1b[2J")
            live(plane)
        return 0
    except KeyboardInterrupt:
        print()
        return 0
    except (DemoError, urllib.error.URLError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    finally:
        if plane:
            for number in (signal.SIGINT, signal.SIGTERM):  # a second one must not leave children
                signal.signal(number, signal.SIG_IGN)
            plane.stop()


if __name__ == "__main__":
    sys.exit(main())
