// Who the endpoint is: its certificate authority, server certificate, token and kubeconfig, made
// at the first start and used again afterwards. Files only; any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/loop.hpp"
#include "base/status.hpp"

namespace devicetwin::kube {

struct Identity {
  std::string ca_pem;
  std::string certificate_pem;
  std::string key_pem;
  std::string token;

  // Whether header is "Bearer <token>". Takes the same time wherever the two differ.
  bool accepts(std::string_view authorization_header) const;
};

// Reads the folder's files; makes what is absent, unreadable, for another address, or over within
// a year (EC P-256, 10 years; names 127.0.0.1, ::1, localhost, the host's own and address). The
// authority's key is not kept: a new certificate comes with a new authority, and the token stays.
base::Result<Identity> load_identity(const std::filesystem::path& folder,
                                     const std::string& address, base::Time now);

// Writes folder/kubeconfig (0600) unless it says the same already.
base::Status write_kubeconfig(const std::filesystem::path& folder, const Identity& identity,
                              const std::string& address, std::uint16_t port);

}  // namespace devicetwin::kube
