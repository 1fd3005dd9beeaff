#include "base/text.hpp"
#include "outlets/front.hpp"

namespace gige {

using base::cat;

namespace {

// Browsers keep at most six connections to one server: past four streams the page shows stills and
// loads itself again.
constexpr std::size_t most_streams = 4;

std::string escaped(std::string_view text) {
  std::string html;
  for (const char c : text) {
    switch (c) {
      case '&':
        html += "&amp;";
        break;
      case '<':
        html += "&lt;";
        break;
      case '>':
        html += "&gt;";
        break;
      case '"':
        html += "&quot;";
        break;
      default:
        html += c;
    }
  }
  return html;
}

std::string figure(const dmi::Json& camera, bool streams) {
  const std::string device = escaped(camera.value("device", ""));
  const std::string path = escaped(camera.value("path", ""));
  const std::string state = camera.value("state", "");
  std::string html = cat("<figure><a href=\"", path, "/latest.jpg\">");
  if (!camera.contains("newest")) {
    html += "<span class=\"none\">no frame yet</span>";
  } else {
    html += cat("<img src=\"", path, streams ? "/stream.mjpg?fps=10" : "/latest.jpg", "\" alt=\"",
                device, "\">");
  }
  html += cat("</a><figcaption><b>", device, "</b> <span class=\"", escaped(state), "\">",
              escaped(state), "</span> ", escaped(camera.value("why", "")));
  if (camera.contains("newest")) {
    const dmi::Json& newest = camera["newest"];
    html +=
        cat("<br>", newest.value("width", 0), " × ", newest.value("height", 0), ", <a href=\"",
            path, "/latest.png\">PNG</a>, <a href=\"", path, "/latest.tiff\">TIFF</a>, <a href=\"",
            path, "/latest.pnm\">PNM</a>, <a href=\"", path, "/stream.mjpg\">MJPEG</a>");
  }
  return html + "</figcaption></figure>\n";
}

}  // namespace

std::string page(const std::vector<dmi::Json>& cameras) {
  const bool streams = cameras.size() <= most_streams;
  std::string html =
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<title>Cameras</title>\n";
  if (!streams) html += "<meta http-equiv=\"refresh\" content=\"5\">\n";
  html +=
      "<style>body{font:15px sans-serif;margin:1.5em;background:#f4f4f2;color:#222}"
      "main{display:flex;flex-wrap:wrap;gap:1.5em}"
      "figure{margin:0;padding:.7em;background:#fff;border:1px solid #ccc;border-radius:4px}"
      "img{display:block;width:480px;max-width:100%}"
      ".none{display:block;width:480px;padding:6em 0;text-align:center;background:#ddd;color:#555}"
      "figcaption{margin-top:.5em;max-width:480px}.online{color:#060}.offline{color:#b00}</style>"
      "</head><body><h1>Cameras</h1>\n<main>\n";
  if (cameras.empty()) html += "<p>There is none yet.</p>\n";
  for (const dmi::Json& camera : cameras) html += figure(camera, streams);
  return html + "</main>\n<p><a href=\"/cameras\">All of it as JSON</a></p>\n</body></html>\n";
}

}  // namespace gige
