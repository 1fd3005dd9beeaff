"""The demonstration's camera: Aravis' fake one, the mapper that serves it, and its picture."""

import json
import shutil
import socket
import subprocess
import tempfile
import urllib.request

SERIAL = "DEMO"  # as in examples/plant/camera.yaml
GVCP_PORT = 3956  # every GigE Vision camera's; it cannot be another


def check_free(address, error):
    """error(text) makes what is raised when another camera has this address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, GVCP_PORT))
        except OSError as why:
            raise error(f"no camera can be simulated at {address}, UDP port {GVCP_PORT}: {why.strerror}; "
                        "stop the other one, or leave it out with --no-camera") from why


def start(plane, build, address, http_port):
    plane.spawn("camera", "arv-fake-gv-camera-0.8", "-i", address, "-s", SERIAL)
    plane.spawn("gige-mapper", build / "mappers/gige/gige-mapper", "--edgecore-sock", plane.dir / "dmi.sock",
                "--socket", plane.dir / "gige.sock", "--http", f"127.0.0.1:{http_port}",
                "--http-token", plane.dir / "gige-http.token")


def fetch(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read()


def picture(base):
    """The latest image, whole: from JPEG's start marker to its end marker."""
    image = fetch(f"{base}/cameras/default/camera/latest.jpg")
    return image if image.startswith(b"\xff\xd8") and image.endswith(b"\xff\xd9") else None


def once(plane, base):
    image = plane.wait("a picture of the camera", lambda: picture(base))
    state = json.loads(fetch(f"{base}/cameras"))
    plane.say(f"{base}/ shows {len(state)} camera, the latest image has {len(image)} bytes")


def screenshot(plane, base, file):
    """The page as Chromium shows it, without a window."""
    chromium = shutil.which("chromium")
    # A profile of its own, in a short path; --no-sandbox: as root, as CI runs, it starts no other way.
    with tempfile.TemporaryDirectory(prefix="mf-chromium.") as profile:
        command = [chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                   f"--user-data-dir={profile}", "--window-size=1000,800", "--timeout=8000",
                   f"--screenshot={file}", f"{base}/"]
        outcome = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    if outcome.returncode != 0 or not file.exists():
        return outcome.stderr.strip().splitlines()[-3:]
    plane.say(f"{file} is what Chromium shows of {base}/")
    return None
