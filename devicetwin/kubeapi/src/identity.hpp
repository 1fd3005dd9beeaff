// Who the endpoint is: its certificate authority, server certificate, token and kubeconfig, made
// at the first start and used again afterwards. Files only; any thread.
//
// The authority is made once, with its key (ca.key, 0600), and never replaced by itself: every
// kubeconfig that was ever copied trusts it. The server's certificate is made anew under it when it
// is over within eight weeks, for another address, or damaged. Where the authority cannot sign (a
// folder of a release that kept no key; a damaged file; over), that is said with what to do, and
// what is there is served on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/loop.hpp"
#include "base/status.hpp"
#include "certificates.hpp"

namespace devicetwin::kube {

struct Identity {
  std::string ca_pem;  // as in the file, readable or not
  KeyPair server;
  std::string token;
};

// At the start: reads the folder's files and makes what is absent. No certificate that can be
// served and nothing to make one with: one that nobody trusts stands in, in memory, so that the
// daemon runs.
base::Result<Identity> load_identity(const std::filesystem::path& folder,
                                     const std::string& address, base::Time now);

// While running: nullopt when nothing is due; else the pair to serve from now on, which is on disk
// where the disk takes it. A failure's text says what to do; identity is served on.
base::Result<std::optional<KeyPair>> renew(const std::filesystem::path& folder,
                                           const std::string& address, const Identity& identity,
                                           base::Time now);

// Writes folder/kubeconfig (0600) unless it says the same already, or ca.crt is not readable.
base::Status write_kubeconfig(const std::filesystem::path& folder, const Identity& identity,
                              const std::string& address, std::uint16_t port);

}  // namespace devicetwin::kube
