#include "flowtable/hash_key.h"

#include <sys/random.h>

#include <cerrno>
#include <system_error>

namespace doorslam::flowtable {

HashKey HashKey::random() {
  std::array<std::uint64_t, 6> secret;
  // Requests of up to 256 octets are never cut short once the pool is ready; only a signal may interrupt the wait.
  while (::getrandom(secret.data(), sizeof(secret), 0) != static_cast<ssize_t>(sizeof(secret))) {
    if (errno != EINTR) throw std::system_error(errno, std::generic_category(), "getrandom for the flow table's key");
  }
  return HashKey(secret);
}

}  // namespace doorslam::flowtable
