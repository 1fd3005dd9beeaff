"""Whether a screenshot of the live page shows the camera's picture: screenshot_check.py FILE.

The fake camera's picture is a ramp of greys; an empty or broken one is a single colour. Exit status
0 or 1, with what was seen."""

import sys

from PIL import Image


def main():
    image = Image.open(sys.argv[1]).convert("RGB")
    greys = {pixel[0] for pixel in image.getdata() if max(pixel) - min(pixel) <= 8}
    print(f"{sys.argv[1]}: {image.width}x{image.height}, {len(greys)} shades of grey")
    return 0 if len(greys) >= 100 else 1


if __name__ == "__main__":
    sys.exit(main())
